"""How an ability's wrapper.py is found and imported, and what it declares."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from athena.ability.manifest import Ability, load_ability
from athena.errors import ConfigError
from athena.protocol.interface import DataSpec, Limits, ParamSpec
from athena.sdk import (
    AudioBodyField,
    BooleanParamField,
    ImageBodyField,
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    StringBodyField,
    StringParamField,
    VideoBodyField,
    WrapperBase,
)
from workers.runtime.loader import declared_interface, load_wrapper, read_example

MINIMAL = """
from athena.sdk import WrapperBase
class Wrapper(WrapperBase):
    pass
"""


@pytest.fixture
def ability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ability:
    """An ability in a folder of its own; what loading changes in this process is undone."""
    folder = tmp_path / "speech"
    folder.mkdir()
    (folder / "wrapper.py").write_text(MINIMAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("wrapper", "beside"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return load_ability(folder)


def test_wrapper_finds_files_and_modules_beside_it(ability: Ability) -> None:
    (ability.path / "beside.py").write_text("from pathlib import Path; value = Path('model.txt').read_text()")
    (ability.path / "model.txt").write_text("weights")
    ability.wrapper_path.write_text("import beside" + MINIMAL + "    model = beside.value")

    wrapper = load_wrapper(ability)

    assert wrapper.model == "weights"
    assert type(wrapper).__module__ == "wrapper"
    assert sys.modules["wrapper"].Wrapper is type(wrapper)
    assert Path.cwd() == ability.path


def test_wrapper_wins_over_an_installed_module_of_the_same_name(ability: Ability) -> None:
    (ability.path / "beside.py").write_text("")
    sys.path.insert(0, str(ability.path.parent))
    (ability.path.parent / "beside.py").write_text("raise RuntimeError")
    ability.wrapper_path.write_text("import beside" + MINIMAL)

    load_wrapper(ability)


@pytest.mark.parametrize("code", ["", "Wrapper = 3", "def Wrapper(): pass", "class wrapper: pass"])
def test_module_without_a_class_wrapper_is_refused(ability: Ability, code: str) -> None:
    ability.wrapper_path.write_text(code)

    with pytest.raises(ConfigError) as error:
        load_wrapper(ability)

    assert error.value.message == (
        f"{ability.wrapper_path} defines no class Wrapper; derive one from athena.sdk.WrapperBase"
    )


def test_what_the_module_raises_comes_through(ability: Ability) -> None:
    ability.wrapper_path.write_text("import a_module_that_nobody_has")

    with pytest.raises(ModuleNotFoundError, match="a_module_that_nobody_has"):
        load_wrapper(ability)


def test_wrapper_needs_no_base_class(ability: Ability) -> None:
    ability.wrapper_path.write_text("class Wrapper:\n    requestCls = responseCls = None")

    interface = declared_interface(ability, load_wrapper(ability))

    assert (interface.params, interface.inputs, interface.outputs) == ((), (), ())


class Request:
    """All kinds of fields, in an order that is not that of their names."""

    z_text = StringBodyField(key="text")
    sound = AudioBodyField(key="sound")
    picture = ImageBodyField(key="picture")
    film = VideoBodyField(key="film", encoding="mp4")
    document = JsonBodyField(key="document")
    name = StringParamField(key="name", minLength=1, maxLength=9, required=True, description="who")
    language = StringParamField(key="language", enums=["de", "en"], title="Language")
    volume = NumberParamField(key="volume", minimum=0.5, maximum=2)
    count = IntegerParamField(key="count", enums=[1, 2])
    loud = BooleanParamField(key="loud", default=True)
    note = "not a field"


class Declaring(WrapperBase):
    requestCls = Request()
    responseCls = Request


def test_declared_fields_become_the_interface(ability: Ability) -> None:
    interface = declared_interface(ability, Declaring())

    assert interface.params == (
        ParamSpec("name", "string", True, min_length=1, max_length=9, description="who"),
        ParamSpec(
            "language", "string", min_length=0, max_length=1024, enum=("de", "en"), description="Language"
        ),
        ParamSpec("volume", "number", minimum=0.5, maximum=2),
        ParamSpec("count", "integer", minimum=0, maximum=100, enum=(1, 2)),
        ParamSpec("loud", "boolean", default=True),
    )
    expected = [("text", 0), ("sound", 1), ("picture", 2), ("film", 3), ("document", 0)]
    listed = [
        DataSpec(key, type, is_json=key == "document", encoding="mp4" if key == "film" else "")
        for key, type in expected
    ]
    assert interface.inputs == interface.outputs == tuple(listed)


def test_interface_holds_what_ability_toml_says(ability: Ability) -> None:
    (ability.path / "ability.toml").write_text(
        'service_id = "asr"\nversion = "v3"\ndescription = "hears"\n'
        '[gpu]\ntypes = ["T4G16", "cpu"]\nfallback = false\n[limits]\nwait_s = 7\n'
    )
    (ability.path / "example.json").write_text('{"header": {}}')

    interface = declared_interface(load_ability(ability.path), Declaring())

    assert (interface.service_id, interface.version, interface.description) == ("asr", "v3", "hears")
    assert (interface.gpu_types, interface.fallback) == (("T4G16", "cpu"), False)
    assert interface.limits == Limits(wait_s=7)
    assert interface.example == {"header": {}}


def test_ability_may_have_no_example(ability: Ability) -> None:
    assert read_example(ability) is None


def test_example_that_is_not_json_is_refused_by_its_file(ability: Ability) -> None:
    ability.example_path.write_text("{")

    with pytest.raises(ConfigError) as error:
        read_example(ability)

    assert error.value.message.startswith(f"{ability.example_path} is not JSON: ")


def schema_document(**properties: Any) -> dict[str, Any]:
    """Returns a schema document of the original framework, with one parameter of the caller's."""
    text = {"type": "object", "properties": {"text": {"type": "string"}, "status": {"type": "integer"}}}
    parameter = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 3, **properties}}}
    return {
        "meta": {
            "serviceId": "ocr",
            "service": ["ocr"],
            "ocr": {"input": {"t": {"dataType": "text"}}, "accept": {}},
        },
        "schemainput": {
            "type": "object",
            "properties": {
                "parameter": {"type": "object", "properties": {"ocr": parameter}},
                "payload": {"type": "object", "properties": {"t": text}},
            },
        },
        "schemaoutput": {"type": "object", "properties": {}},
    }


def test_schema_document_counts_more_than_the_declaration(ability: Ability) -> None:
    ability.schema_path.write_text(json.dumps(schema_document()))

    interface = declared_interface(ability, Declaring())

    assert [(spec.key, spec.maximum) for spec in interface.params] == [("size", 3)]
    assert [spec.key for spec in interface.inputs] == ["t"]


def test_schema_document_may_have_another_name(ability: Ability) -> None:
    (ability.path / "schema_v1.json").write_text(json.dumps(schema_document()))
    (ability.path / "ability.toml").write_text('service_id = "speech"\nschema = "schema_v1.json"\n')

    interface = declared_interface(load_ability(ability.path), Declaring())

    assert [spec.key for spec in interface.params] == ["size"]


def test_other_file_of_that_name_is_left_alone(ability: Ability) -> None:
    ability.schema_path.write_text('{"tables": []}')

    assert len(declared_interface(ability, Declaring()).params) == 5


def test_schema_document_that_cannot_be_obeyed_is_refused_with_its_place(ability: Ability) -> None:
    ability.schema_path.write_text(json.dumps(schema_document(pattern="x")))

    with pytest.raises(ConfigError) as error:
        declared_interface(ability, Declaring())

    assert error.value.message.startswith(f"{ability.schema_path}: ")
    assert "pattern" in error.value.message


def test_schema_document_that_is_named_must_be_there(ability: Ability) -> None:
    (ability.path / "ability.toml").write_text('service_id = "speech"\nschema = "missing.json"\n')

    with pytest.raises(ConfigError, match=r"schema 'missing.json' must be the name of a file"):
        load_ability(ability.path)


@pytest.mark.parametrize("name", ["aiges.sdk", "aiges_embed"])
def test_module_beside_the_wrapper_does_not_take_the_place_of_the_sdk(ability: Ability, name: str) -> None:
    file = ability.path / f"{name.replace('.', '/')}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("raise RuntimeError('not ours')")
    (file.parent / "__init__.py").touch()
    ability.wrapper_path.write_text(f"import {name}" + MINIMAL)

    load_wrapper(ability)


def test_functions_of_the_first_generation_need_no_class(ability: Ability) -> None:
    ability.wrapper_path.write_text(
        "def wrapperOnceExec(usrTag, params, reqData, respData, psrIds, psrCnt): pass"
    )

    wrapper = load_wrapper(ability)

    assert wrapper is sys.modules["wrapper"]
    assert declared_interface(ability, wrapper).is_permissive


@pytest.mark.parametrize("key", ["a.b", "Meta"])
def test_key_that_no_schema_can_hold_is_refused(ability: Ability, key: str) -> None:
    class Dotted:
        field = StringParamField(key=key)

    class Wrapper(WrapperBase):
        requestCls = Dotted()

    with pytest.raises(ConfigError, match="choose another one"):
        declared_interface(ability, Wrapper())


def test_relative_imports_find_the_modules_beside_a_wrapper(ability: Ability) -> None:
    (ability.path / "celery.py").write_text("from . import beside; value = beside.value")
    (ability.path / "beside.py").write_text("value = 3")
    ability.wrapper_path.write_text(
        "from .celery import value\nfrom . import beside" + MINIMAL + "    x = value"
    )

    assert load_wrapper(ability).x == 3


def test_a_class_that_a_script_has_pickled_is_found_in_the_wrapper(ability: Ability) -> None:
    ability.wrapper_path.write_text(
        "import pickle\nclass Model:\n    pass\n"
        "MODEL = pickle.loads(b'c__main__\\nModel\\n)\\x81.')" + MINIMAL + "    model = MODEL"
    )

    assert type(load_wrapper(ability).model) is sys.modules["wrapper"].Model


def test_a_class_that_nobody_has_is_asked_for(ability: Ability, caplog: pytest.LogCaptureFixture) -> None:
    pickled = "import pickle\npickle.loads(b'c__main__\\nModel\\n)\\x81.')"
    ability.wrapper_path.write_text(pickled + MINIMAL)

    with pytest.raises(AttributeError, match="Model"):
        load_wrapper(ability)

    assert "what a script has pickled needs its classes in wrapper.py" in caplog.text


def test_a_module_whose_name_is_taken_is_refused(ability: Ability) -> None:
    (ability.path / "redis.py").write_text("")
    ability.wrapper_path.write_text("import redis" + MINIMAL)

    with pytest.raises(ConfigError, match=r"wrapper\.py, line 1: imports 'redis', which is .*redis\.py here"):
        load_wrapper(ability)
