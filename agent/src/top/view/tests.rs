//! The view on a terminal of its own, out of what an agent answered.

use super::*;
use expect_test::{Expect, expect};
use ratatui::{Terminal, backend::TestBackend};

/// Three seconds of a host, as `/api/v1/recorder` tells of them.
const RECORDED: &str = r#"{"times":[1000,2000,3000],"charts":[
  {"title":"CPU","unit":"percent","kind":"stacked","family":"node_cpu_seconds_total","lines":[
    {"name":"user","points":[null,0.25,0.5]},{"name":"system","points":[null,0.05,1.0]}],
    "rows":[],"aside":null,"missing":""},
  {"title":"Memory","unit":"bytes","kind":"stacked","family":"node_memory_MemTotal_bytes","lines":[
    {"name":"used","points":[1e9,2e9,3e9]},{"name":"free","points":[3e9,2e9,1e9]}],
    "rows":[],"aside":{"name":"swap used","points":[0.0,0.0,1048576.0]},"missing":""},
  {"title":"Wait for a CPU","unit":"seconds","kind":"latency","family":"node_sched_runqueue_latency_seconds","lines":[
    {"name":"half within","points":[null,1.2e-5,2e-5]},{"name":"99 % within","points":[null,0.001,0.0041]}],
    "rows":[{"upper":1.52587890625e-5,"points":[null,100.0,50.0]},{"upper":0.00390625,"points":[null,null,2.0]}],
    "aside":null,"missing":""},
  {"title":"Packets dropped, by reason","unit":"each","kind":"largest","family":"node_packet_drops_total","lines":[],
    "rows":[],"aside":null,"missing":"Missing: packet_drops is unavailable: no BTF. What helps: another kernel."}]}"#;

const STATUS: &str = r#"{"host":"web-7","kernel":"6.12.9","machine":"x86_64","uptime_seconds":273600,"version":"0.1.0",
  "running_seconds":90,"problems":[{"state":"unavailable","what":"packet_drops is unavailable","reason":"no BTF",
  "remedy":"another kernel"}]}"#;

fn view(no_color: Option<&str>) -> View {
    let mut view = View::new(Theme::new(no_color), String::new());
    view.take_status(serde_json::from_str(STATUS).unwrap());
    view.take(serde_json::from_str(RECORDED).unwrap());
    view
}

fn drawn(view: &View, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view.render(frame.area(), frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

fn check(view: &View, width: u16, height: u16, expected: &Expect) {
    let buffer = drawn(view, width, height);
    let rows = buffer.content().chunks(width.into());
    let text =
        rows.map(|row| row.iter().map(|it| it.symbol()).collect::<String>().trim_end().to_owned() + "\n");
    expected.assert_eq(&text.collect::<String>());
}

fn press(view: &mut View, codes: &[KeyCode]) {
    for code in codes {
        assert_eq!(view.press(KeyEvent::new(*code, KeyModifiers::NONE)), Next::GoOn);
    }
}

#[test]
fn shows_what_the_page_shows() {
    check(
        &view(None),
        110,
        24,
        &expect![[r#"
            web-7  Linux 6.12.9 · x86_64 · up 3 d 4 h · hostlens 0.1.0, running for 1 min  last 1 min
            packet_drops is unavailable: no BTF
              what helps: another kernel
            ┏ CPU ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓┌ Memory ────────────────────────── swap used 1.0 MiB ┐
            ┃user         50 %                                    ┃│used    2.8 GiB                                      │
            ┃                                                     ┃│                                                    █│
            ┃                                                    █┃│                                                    █│
            ┃                                                    █┃│                                                   ██│
            ┃system      100 %                                   █┃│free    954 MiB                                      │
            ┃                                                    █┃│                                                   █ │
            ┃                                                    █┃│                                                   ██│
            ┃                                                    █┃│                                                   ██│
            ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛└─────────────────────────────────────────────────────┘
            ┌ Wait for a CPU ────────────────────────────── 52 /s ┐┌ Packets dropped, by reason ─────────────────────────┐
            │half within 20 µs  99 % within 4.1 ms                ││Missing: packet_drops is unavailable: no BTF. What   │
            │ 3.9 ms                                             ▒││helps: another kernel.                               │
            │  15 µs                                             █││                                                     │
            │                                                     ││                                                     │
            │                                                     ││                                                     │
            │                                                     ││                                                     │
            │                                                     ││                                                     │
            │                                                     ││                                                     │
            └─────────────────────────────────────────────────────┘└─────────────────────────────────────────────────────┘
             q quit  Tab/arrows select  Enter enlarge  +/- time  p pause  ? help
        "#]],
    );
}

#[test]
fn a_narrow_terminal_shows_the_selected_panel() {
    let mut view = view(None);
    press(&mut view, &[KeyCode::Tab, KeyCode::Down, KeyCode::Char('+')]);
    check(
        &view,
        50,
        14,
        &expect![[r#"
        web-7  Linux 6.12.9 · x86_64 · up 3 d 4 h · hostle
        packet_drops is unavailable: no BTF
          what helps: another kernel
        ┏ Wait for a CPU ━━━━━━━━━━━━━━━━━━━━━━━━━ 52 /s ┓
        ┃half within 20 µs  99 % within 4.1 ms           ┃
        ┃ 3.9 ms                                        ▒┃
        ┃  15 µs                                        █┃
        ┃                                                ┃
        ┃                                                ┃
        ┃                                                ┃
        ┃                                                ┃
        ┃                                                ┃
        ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛
         q quit  Tab/arrows select  Enter enlarge  +/- tim
    "#]],
    );
    press(&mut view, &[KeyCode::Up, KeyCode::Enter]);
    check(
        &view,
        50,
        14,
        &expect![[r#"
            web-7  Linux 6.12.9 · x86_64 · up 3 d 4 h · hostle
            packet_drops is unavailable: no BTF
              what helps: another kernel
            ┏ Memory ━━━━━━━━━━━━━━━━━━━━━ swap used 1.0 MiB ┓
            ┃used    2.8 GiB                                 ┃
            ┃                                               █┃
            ┃                                               █┃
            ┃                                               █┃
            ┃free    954 MiB                                 ┃
            ┃                                               █┃
            ┃                                               █┃
            ┃                                               █┃
            ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛
             q quit  Tab/arrows select  Enter enlarge  +/- tim
        "#]],
    );
}

#[test]
fn no_terminal_is_too_small() {
    let mut view = view(None);
    press(&mut view, &[KeyCode::Char('?')]);
    for width in 1..30 {
        for height in 1..15 {
            drawn(&view, width, height);
        }
    }
}

#[test]
fn keys_are_explained_and_quit() {
    let mut view = view(None);
    press(&mut view, &[KeyCode::Char('?')]);
    check(
        &view,
        70,
        18,
        &expect![[r#"
        web-7  Linux 6.12.9 · x86_64 · up 3 d 4 h · hostlens 0.1.0, running fo
        packet_drops is unavailable: no BTF
          wh┌ Keys ──────────────────────────────────────────────────────┐
        ┏ CP│q, Ctrl-C    quit                                           │━━━┓
        ┃use│Tab, arrows  select a panel                                 │   ┃
        ┃   │Enter        show the selected panel alone, or all again    │   ┃
        ┃   │Esc          show all again                                 │  █┃
        ┃   │+, -         show more or less time: 1, 5, 15 minutes       │  █┃
        ┃sys│p, space     stop and go on                                 │  █┃
        ┃   │?            this help                                      │  █┃
        ┃   │                                                            │  █┃
        ┃   │Numbers are those of the last second; a column shows the    │  █┃
        ┃   │most of its time. Heat maps: the higher a row, the longer   │   ┃
        ┃   │the wait; the darker a cell, the more had it.               │   ┃
        ┃   │                                                            │   ┃
        ┃   └────────────────────────────────────────────────────────────┘   ┃
        ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛
         q quit  Tab/arrows select  Enter enlarge  +/- time  p pause  ? help
    "#]],
    );
    press(&mut view, &[KeyCode::Esc, KeyCode::BackTab, KeyCode::Char('p')]);
    assert_eq!((view.has_help, view.selected, view.since()), (false, 3, None));
    for (code, modifiers) in
        [(KeyCode::Char('q'), KeyModifiers::NONE), (KeyCode::Char('c'), KeyModifiers::CONTROL)]
    {
        assert_eq!(view.press(KeyEvent::new(code, modifiers)), Next::Quit);
    }
}

#[test]
fn without_colours_nothing_has_one() {
    use ratatui::style::Color;
    let has_colour = |no_color| {
        let buffer = drawn(&view(no_color), 110, 24);
        buffer.content().iter().any(|it| it.fg != Color::Reset || it.bg != Color::Reset)
    };
    assert!(has_colour(None) && has_colour(Some("")));
    assert!(!has_colour(Some("1")));
}

#[test]
fn groups_are_by_what_they_used_between_two_readings() {
    let mut view = view(None);
    let group = |name: &str, cpu| Group {
        kind: GroupKind::Processes,
        name: name.to_owned(),
        cpu_seconds: Some(cpu),
        memory_bytes: Some(1024.0),
    };
    let now = Instant::now();
    view.take_groups(vec![group("idle", 900.0), group("cargo", 10.0)], now);
    view.take_groups(
        vec![group("idle", 900.1), group("cargo", 15.0), group("new", 1.0)],
        now + Duration::from_secs(5),
    );
    press(&mut view, &[KeyCode::BackTab, KeyCode::Enter]);
    check(
        &view,
        50,
        10,
        &expect![[r#"
        web-7  Linux 6.12.9 · x86_64 · up 3 d 4 h · hostle
        packet_drops is unavailable: no BTF
          what helps: another kernel
        ┏ Processes with most CPU ━━━━━━━━━━━━━━━━━━━━━━━┓
        ┃Name                         CPU      Memory    ┃
        ┃cargo                        100 %    1.0 KiB   ┃
        ┃idle                         2.0 %    1.0 KiB   ┃
        ┃                                                ┃
        ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛
         q quit  Tab/arrows select  Enter enlarge  +/- tim
    "#]],
    );
}
