"""Names of GPU types: `T4G16`, `A100G80`, `RTX4090G24`. Pure.

A type is what queues and requests name. It is made of the product's model, `G`, and the memory in GB as
the product is sold, not as the driver counts it. An instance of a partitioned GPU (MIG) also has the number
of its slices: `A100MIG3G40`.
"""

import re
from collections.abc import Iterable, Mapping

#: The type of workers without a GPU.
CPU = "cpu"

#: What a type's name may be made of: it is part of a queue's name.
TYPE_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")

#: Words that mean something else in a queue's name or in a request, however they are spelt.
RESERVED_NAMES = frozenset({CPU, "any", "high", "low"})

#: What the UUIDs of GPUs and of their parts begin with.
UUID_PREFIXES = ("GPU-", "MIG-")

#: Products as drivers name them -> their types: those met most often, and those where the rule below would
#: miss the name on the box.
PRODUCTS = {
    "Tesla T4": "T4G16",
    "NVIDIA T4": "T4G16",
    "Tesla T4G": "T4GG16",
    "NVIDIA T4G": "T4GG16",
    "Tesla P4": "P4G8",
    "Tesla P40": "P40G24",
    "Tesla P100-PCIE-16GB": "P100G16",
    "Tesla P100-SXM2-16GB": "P100G16",
    "Tesla K80": "K80G12",
    "Tesla V100-PCIE-16GB": "V100G16",
    "Tesla V100-SXM2-16GB": "V100G16",
    "Tesla V100-PCIE-32GB": "V100G32",
    "Tesla V100-SXM2-32GB": "V100G32",
    "Tesla V100-SXM3-32GB": "V100G32",
    "Tesla V100S-PCIE-32GB": "V100SG32",
    "NVIDIA A2": "A2G16",
    "NVIDIA A10": "A10G24",
    "NVIDIA A10G": "A10GG24",
    "NVIDIA A16": "A16G16",
    "NVIDIA A30": "A30G24",
    "NVIDIA A40": "A40G48",
    "NVIDIA A100-PCIE-40GB": "A100G40",
    "NVIDIA A100-SXM4-40GB": "A100G40",
    "A100-SXM4-40GB": "A100G40",
    "NVIDIA A100 80GB PCIe": "A100G80",
    "NVIDIA A100-SXM4-80GB": "A100G80",
    "A100-SXM4-80GB": "A100G80",
    "NVIDIA A800-SXM4-80GB": "A800G80",
    "NVIDIA A800 80GB PCIe": "A800G80",
    "NVIDIA L4": "L4G24",
    "NVIDIA L20": "L20G48",
    "NVIDIA L40": "L40G48",
    "NVIDIA L40S": "L40SG48",
    "NVIDIA H20": "H20G96",
    "NVIDIA H100 PCIe": "H100G80",
    "NVIDIA H100 80GB HBM3": "H100G80",
    "NVIDIA H100 NVL": "H100G94",
    "NVIDIA H800": "H800G80",
    "NVIDIA H200": "H200G141",
    "NVIDIA H200 NVL": "H200G141",
    "NVIDIA GH200 480GB": "GH200G96",
    "NVIDIA GH200 120GB": "GH200G96",
    "NVIDIA GH200 144G HBM3e": "GH200G144",
    "NVIDIA B200": "B200G180",
    "NVIDIA GB200": "GB200G186",
    "NVIDIA GB10": "GB10G128",
    "NVIDIA B300 SXM6 AC": "B300G288",
    "NVIDIA GeForce RTX 3090": "RTX3090G24",
    "NVIDIA GeForce RTX 4090": "RTX4090G24",
    "NVIDIA GeForce RTX 5090": "RTX5090G32",
    "NVIDIA RTX A6000": "RTXA6000G48",
    "NVIDIA RTX 6000 Ada Generation": "RTX6000AdaG48",
    "NVIDIA RTX 6000D": "RTX6000DG84",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "RTXPRO6000G96",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": "RTXPRO6000G96",
}

#: Sold under one name with memories of several sizes: for these the size counts that the driver reports.
SEVERAL_SIZES = frozenset({"NVIDIA H20", "NVIDIA A16", "NVIDIA A2"})

#: GB with which GPUs are sold. The driver keeps some back, so a GPU's size is the next one up.
SIZES_GB = (
    *(
        1,
        2,
        3,
        4,
        5,
        6,
        8,
        10,
        11,
        12,
        16,
        18,
        20,
        24,
        32,
        40,
        48,
        64,
        72,
        80,
        84,
        94,
        96,
        120,
        128,
        141,
        144,
    ),
    *(180, 186, 192, 256, 288),
)

#: How much more than its name says a GPU may report: of 24 GB, the driver of an RTX 4090 counts 23.99.
TOLERANCE = 0.01

_VENDORS = frozenset({"nvidia", "tesla", "geforce", "quadro", "graphics", "device", "grid"})
# A number of up to three digits is memory ("A100 80GB"), a longer one belongs to the model ("RTX 4090").
_FORM = re.compile(
    r"(?i)sxm\d*|pcie|hbm\d*e?|nvl|oam|ac|generation|edition|server|workstation|blackwell|gpu|\d{1,3}gb?"
)
_UNNAMED = "GPU"

# What a virtual GPU's name ends with: slices if it has some, memory and series ("T4-16Q", "A100D-7-80C").
_VIRTUAL = re.compile(r"(?:-\d+){1,2}[ABCQ](?:ME)?$")

# How some drivers name an instance of a partitioned GPU ("NVIDIA H100 80GB HBM3 MIG 1g.10gb").
_INSTANCE = re.compile(r"(?P<product>.+) MIG (?P<profile>(?:\d+c\.)?\d+g\.\d+gb\S*)")

MIB_PER_GB = 1024


def gpu_type_of(product: str, memory_mib: int, aliases: Mapping[str, str] | None = None) -> str:
    """Returns the type of a GPU.

    Args:
        product: as the driver names it, such as "NVIDIA A100-SXM4-80GB".
        memory_mib: all of its memory; 0 if unknown.
        aliases: product or type -> the name that an operator gives it.
    """
    if instance := _INSTANCE.fullmatch(product):
        return mig_type_of(instance["product"], 0, memory_mib, instance["profile"], aliases)
    known = PRODUCTS.get(product)
    if known is None or product in SEVERAL_SIZES:
        known = model_of(product) + (f"G{size_gb(memory_mib)}" if memory_mib > 0 else "")
    return _renamed(known, product, aliases)


def mig_type_of(
    product: str, slices: int, memory_mib: int, profile: str = "", aliases: Mapping[str, str] | None = None
) -> str:
    """Returns the type of a MIG instance, such as `A100MIG3G40`.

    Args:
        product: of the GPU that it is part of.
        slices: compute slices of the instance; 0 if unknown.
        memory_mib: of the instance.
        profile: as the driver names it, such as "3g.40gb"; it counts more than the numbers.
        aliases: as for `gpu_type_of`; "<product> <profile>" is the product here.
    """
    read = re.search(r"(?:(\d+)c\.)?(\d+)g\.(\d+)gb", profile)
    part, size = str(slices or ""), f"G{size_gb(memory_mib)}" if memory_mib > 0 else ""
    if read:
        part, size = (f"{read[1]}C" if read[1] else "") + read[2], f"G{read[3]}"
    return _renamed(f"{model_of(product)}MIG{part}{size}", f"{product} {profile}", aliases)


def _renamed(name: str, product: str, aliases: Mapping[str, str] | None) -> str:
    aliases = aliases or {}
    return aliases.get(product.strip(), aliases.get(name, name))


def model_of(product: str) -> str:
    """Returns the model in a product's name: without maker, family, form and memory."""
    known = PRODUCTS.get(product)
    if known is not None:
        return known.rpartition("G")[0]
    virtual = _VIRTUAL.search(product)
    suffix = virtual[0] if virtual else ""
    words = re.split(r"[\s_/-]+", product.removesuffix(suffix))
    words = [word for word in words if word and word.lower() not in _VENDORS]
    model = "".join(word for word in words if not _FORM.fullmatch(word)) or "".join(words)
    return re.sub(r"[^A-Za-z0-9-]", "", model + suffix)[:24] or _UNNAMED


def size_gb(memory_mib: int) -> int:
    """Returns the memory with which a GPU is sold that reports `memory_mib`."""
    reported_gb = memory_mib / MIB_PER_GB
    for size in SIZES_GB:
        if reported_gb <= size * (1 + TOLERANCE):
            return size
    return round(reported_gb)


def parse_aliases(raw: str) -> dict[str, str]:
    """Reads "NVIDIA A10G=A10G24, RTX4090G24=RTX4090": product or type = name.

    Raises:
        ValueError: it is not of this form, or names go round in a circle.
    """
    aliases: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in raw.split(","))):
        original, equals, name = (part.strip() for part in item.partition("="))
        if not equals or not original:
            raise ValueError(f"{item!r} must be <product or type>=<name>")
        if not TYPE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} must be 1 to 32 letters, digits, '-' or '_'")
        if is_reserved(name):
            raise ValueError(f"{name!r} is a name with a meaning of its own")
        aliases[original] = name
    return {original: _last_name(original, aliases) for original in aliases}


def is_reserved(name: str) -> bool:
    """Whether a name cannot be that of a kind of GPU, because it means something else."""
    return name.lower() in RESERVED_NAMES or name.startswith(UUID_PREFIXES)


def _last_name(name: str, aliases: Mapping[str, str]) -> str:
    """Follows aliases of aliases, so that whoever looks one up finds what all others find."""
    passed = {name}
    while name in aliases:
        name = aliases[name]
        if name in passed:
            raise ValueError(f"the names of {name!r} lead back to it")
        passed.add(name)
    return name


def renamed_types(types: Iterable[str], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Returns types by the names that an operator gives them, each once, in the same order."""
    return tuple(dict.fromkeys(name if name == CPU else aliases.get(name, name) for name in types))
