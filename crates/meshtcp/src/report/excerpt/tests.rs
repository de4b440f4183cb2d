use super::super::Colours;
use super::*;

fn drawn(text: &str, place: &str) -> String {
    let offset = text.find(place).unwrap();
    let number = text[..offset].matches('\n').count() + 1;
    Excerpt::around(text, number, offset, place.len()).draw("f.yaml", &Colours::NONE)
}

#[test]
fn the_lines_around_a_place_are_shown_and_it_is_marked() {
    let shown = drawn("type: Mesh\r\nname: 数据 x\r\n\tweigth: 1\r\nlast: 2\n", "weigth");
    let wanted =
        "   ╭─[f.yaml]\n 2 │ name: 数据 x\n 3 │     weigth: 1\n   ·     ──────\n 4 │ last: 2\n   ╰────\n";
    assert_eq!(shown, wanted);
    let wide = drawn("数据: x\n", "x");
    assert!(wide.contains(" 1 │ 数据: x\n   ·       ─\n"), "{wide}");
}

#[test]
fn a_long_line_is_shown_around_the_place() {
    let text = format!("{}nosuch{}\n", "a".repeat(1 << 20), "b".repeat(1 << 20));
    let shown = drawn(&text, "nosuch");
    let line = shown.lines().nth(1).unwrap();
    assert!(line.starts_with(" 1 │ …aaaa") && line.ends_with("bbb…"), "{line}");
    assert!(shown.lines().all(|line| line.chars().count() < COLUMNS + 12), "{shown}");
    let mark = shown.lines().nth(2).unwrap();
    let (word, stroke) = (line.find("nosuch").unwrap(), mark.find('─').unwrap());
    assert_eq!(line[..word].chars().count(), mark[..stroke].chars().count(), "{shown}");
    assert_eq!(mark.matches('─').count(), 6);
}

#[test]
fn a_place_may_be_the_end_or_none_at_all() {
    for (text, offset, length) in
        [("", 0, 0), ("", 9, 9), ("a: [", 4, 0), ("a: [\n", 5, 0), ("ä", 1, 1), ("a\nb\nc\n", 0, usize::MAX)]
    {
        let shown = Excerpt::around(text, 1, offset, length).draw("f", &Colours::NONE);
        assert_eq!(shown.matches('·').count(), 1, "{text:?} {offset} {length}: {shown}");
        assert!(shown.contains('─'));
    }
}
