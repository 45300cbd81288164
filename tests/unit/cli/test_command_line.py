"""What is said to who mistypes a command."""

import pytest

from athena.cli import main


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("jbos ls", "'jbos' is none; did you mean 'jobs'?"),
        ("jobs lst", "'lst' is none; did you mean 'ls'?"),
        ("jobs ls --serivce echo", "--serivce echo is nothing that it takes; did you mean --service?"),
        ("serve --prot=3", "did you mean --port?"),
        ("call echo text=hello", "did you mean --input text=hello or --param text=hello?"),
        ("jobs ls --state faled", "did you mean 'failed'?"),
        ("queues ls everything", "everything is nothing that it takes; athena queues ls --help lists"),
        ("xyzzy", "invalid choice: 'xyzzy'"),
    ],
)
def test_mistyped_word_is_met_with_what_was_meant(
    typed: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(typed.split())

    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert f"usage: athena {typed.partition(' ')[0]}" in said or typed.startswith(("jbos", "xyzzy"))
