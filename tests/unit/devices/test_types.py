"""Names of GPU types, made of what drivers say."""

import pytest

from athena.devices.types import (
    PRODUCTS,
    SEVERAL_SIZES,
    TYPE_NAME,
    gpu_type_of,
    mig_type_of,
    parse_aliases,
    renamed_types,
)


@pytest.mark.parametrize(
    ("product", "memory_mib", "name"),
    [
        ("Tesla T4", 15360, "T4G16"),
        ("Tesla T4", 15109, "T4G16"),
        ("Tesla V100-SXM2-32GB", 32510, "V100G32"),
        ("NVIDIA A10", 23028, "A10G24"),
        ("NVIDIA A100-SXM4-40GB", 40536, "A100G40"),
        ("NVIDIA A100-SXM4-80GB", 81920, "A100G80"),
        ("NVIDIA L4", 23034, "L4G24"),
        ("NVIDIA L40S", 46068, "L40SG48"),
        ("NVIDIA H100 80GB HBM3", 81559, "H100G80"),
        ("NVIDIA H200", 143771, "H200G141"),
        ("NVIDIA GeForce RTX 4090", 24564, "RTX4090G24"),
        ("NVIDIA H20", 97871, "H20G96"),
        # Not in the table: by the rule.
        ("NVIDIA A100-SXM-64GB", 65536, "A100G64"),
        ("NVIDIA H100", 81559, "H100G80"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", 16376, "RTX4070TiSUPERG16"),
        ("NVIDIA GeForce GTX 1080 Ti", 11172, "GTX1080TiG11"),
        ("Quadro RTX 6000", 24220, "RTX6000G24"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16376, "RTX4090LaptopG16"),
        ("NVIDIA X999 HBM5 512GB", 524288, "X999G512"),
        ("Some Vendor: Chip/7 (rev. 2)", 8000, "SomeVendorChip7rev2G8"),
        ("", 8000, "GPUG8"),
        ("NVIDIA GB10", 122570, "GB10G128"),
        ("NVIDIA RTX 6000D", 86016, "RTX6000DG84"),
        # Virtual GPUs: the hyphen keeps model and profile apart.
        ("GRID T4-16Q", 16384, "T4-16QG16"),
        ("NVIDIA A10-24Q", 24576, "A10-24QG24"),
        ("GRID A100D-7-80C", 81920, "A100D-7-80CG80"),
        # Instances that are named as if they were GPUs.
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 9984, "H100MIG1G10"),
        ("NVIDIA L4", 0, "L4G24"),
        ("NVIDIA Z1", 0, "Z1"),
    ],
)
def test_type_is_model_and_memory(product: str, memory_mib: int, name: str) -> None:
    assert gpu_type_of(product, memory_mib) == name
    assert TYPE_NAME.fullmatch(name)


@pytest.mark.parametrize("product", sorted(PRODUCTS.keys() - SEVERAL_SIZES))
def test_rule_and_table_agree_on_models(product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = PRODUCTS[product]
    size_gb = int(name.rpartition("G")[2])
    monkeypatch.delitem(PRODUCTS, product)

    # The driver keeps a part of the memory: the rule takes the next size that is sold.
    by_rule = gpu_type_of(product, int(size_gb * 1024 * 0.995))

    assert by_rule.rpartition("G")[0] == name.rpartition("G")[0]
    assert by_rule == name


def test_instance_of_a_partitioned_gpu_has_a_type_of_its_own() -> None:
    a100 = "NVIDIA A100-SXM4-80GB"

    assert mig_type_of(a100, 3, 40192, "3g.40gb") == "A100MIG3G40"
    assert mig_type_of(a100, 1, 9856) == "A100MIG1G10"
    assert mig_type_of(a100, 0, 9856) == "A100MIGG10"
    assert mig_type_of(a100, 3, 0) == "A100MIG3"
    assert mig_type_of(a100, 1, 13397, "1c.3g.40gb") == "A100MIG1C3G40"
    assert mig_type_of(a100, 3, 40192, "3g.40gb", {f"{a100} 3g.40gb": "half"}) == "half"
    assert mig_type_of(a100, 3, 40192, "3g.40gb", {"A100MIG3G40": "half"}) == "half"


def test_operator_names_products_and_types() -> None:
    aliases = parse_aliases(" NVIDIA A10G = A10G24,RTX4090G24=gamer, ")

    assert gpu_type_of("NVIDIA A10G", 23028, aliases) == "A10G24"
    assert gpu_type_of("NVIDIA GeForce RTX 4090", 24564, aliases) == "gamer"
    assert gpu_type_of("Tesla T4", 15360, aliases) == "T4G16"


def test_alias_of_an_alias_leads_to_the_last_name() -> None:
    aliases = parse_aliases("NVIDIA A10G=A10G24,A10G24=middle,middle=m")

    assert gpu_type_of("NVIDIA A10G", 23028, aliases) == "m"
    assert renamed_types(["A10G24", "cpu", "middle", "T4G16"], aliases) == ("m", "cpu", "T4G16")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("A10", "must be <product or type>=<name>"),
        ("=x", "must be <product or type>=<name>"),
        ("a=b c", "must be 1 to 32 letters"),
        ("a=b.c", "must be 1 to 32 letters"),
        ("a=any", "is a name with a meaning of its own"),
        ("a=cpu", "is a name with a meaning of its own"),
        ("a=High", "is a name with a meaning of its own"),
        ("a=GPU-1", "is a name with a meaning of its own"),
        ("a=b,b=a", "lead back to it"),
    ],
)
def test_alias_that_makes_no_sense_is_refused(raw: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_aliases(raw)
