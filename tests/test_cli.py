import subprocess
import sys
import warnings

import pytest
from typer.testing import CliRunner

from embfeast import EmbfeastError
from embfeast.cli import COMMANDS, app, main


def test_help_says_what_there_is_and_imports_neither_feast_nor_torch():
    code = (
        "import sys; from embfeast.cli import main; sys.argv = ['embfeast', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = ('feast', 'torch', 'sklearn', 'onnxruntime')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "verify" in ran.stdout
    assert ran.stdout.strip().endswith("[]")


def test_importing_the_package_imports_neither_feast_nor_torch():
    code = "import embfeast, sys; print([n for n in ('feast', 'torch') if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_an_example_in_its_help(command):
    said = CliRunner().invoke(app, [command, "--help"])
    assert said.exit_code == 0
    assert f"Example: embfeast {command}" in " ".join(said.output.split())


def test_a_wrong_option_and_a_wrong_command_are_said_in_plain_lines_with_exit_code_2():
    for words, said in [
        (["lookup", "--nonsense"], "No such option: --nonsense"),
        (["lokup"], "No such command 'lokup'. Did you mean 'lookup'?"),
    ]:
        ended = CliRunner().invoke(app, words, prog_name="embfeast")
        assert ended.exit_code == 2
        assert ended.stderr.splitlines()[-1] == f"Error: {said}"
        assert "--help' for help." in ended.stderr


def test_a_mistake_ends_in_one_line_and_exit_code_1(capsys):
    def fail():
        raise EmbfeastError("what was wrong")

    with pytest.raises(SystemExit) as stopped:
        main(fail)
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: what was wrong\n"


def test_ctrl_c_ends_in_one_line_and_exit_code_130(capsys):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        main(stop)
    assert stopped.value.code == 130
    assert "stopped" in capsys.readouterr().err


def test_a_folder_that_is_no_feature_repository_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["embfeast", "verify", "--repo", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert "feature_store.yaml" in capsys.readouterr().err


def test_a_shell_can_be_given_completions(monkeypatch):
    # What started the tests may be no shell that has completions.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    said = CliRunner().invoke(app, ["--show-completion", "bash"], prog_name="embfeast")
    assert said.exit_code == 0
    assert "embfeast" in said.output


def test_what_is_no_repository_is_said_before_feast_is_imported(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from embfeast.commands.console import open_repository\n"
        "try: open_repository(Path(sys.argv[1]))\n"
        "except ValueError as error: print(error, 'feast' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("name the repository with --repo False")


def test_a_warning_is_one_line_without_the_place_in_the_code(monkeypatch, capsys):
    monkeypatch.setattr("warnings.showwarning", warnings.showwarning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        main(lambda: warnings.warn("times are UTC", stacklevel=1))
    assert capsys.readouterr().err == "warning: times are UTC\n"
