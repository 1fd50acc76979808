from embfeast.scaffold.unicode_scripts import scripts


def test_scripts_are_told_by_the_letters_of_most_of_a_text():
    found = scripts(["Hello world", "Привет, OK", "你好", "مرحبا", "!!! 12"])
    assert found == {"latin": 0.25, "cyrillic": 0.25, "han": 0.25, "arabic": 0.25}


def test_japanese_with_chinese_characters_is_one_script():
    assert scripts(["東京都の天気は晴れ"]) == {"kana": 1.0}


def test_texts_without_letters_say_nothing():
    assert scripts(["123", "", "…"]) == {}
