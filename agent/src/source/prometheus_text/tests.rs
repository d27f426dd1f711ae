use super::*;
use crate::testing::fuzz;
use expect_test::expect;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::hint::black_box;

/// What each text is refused for.
fn problems(texts: &[&str]) -> String {
    let mut problems = String::new();
    for text in texts {
        let Malformed { line, wrong: Wrong { problem, found } } = parse(text.as_bytes()).expect_err(text);
        let found = if found.is_empty() { found } else { format!(": {found:?}") };
        writeln!(problems, "{text:?}: line {line}: {problem}{found}").unwrap();
    }
    problems
}

#[test]
fn reads_every_type() {
    let text = "# TYPE c counter\n# HELP c One \\\\ two\\nthree \\\" four.\nc{x=\"y\"} 5\nc 6\n\
        # TYPE h histogram\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 4\nh_sum 0.5\nh_count 4\n\
        # TYPE s summary\ns{quantile=\"0.5\",x=\"y\"} NaN\ns_sum{x=\"y\"} 7\ns_count{x=\"y\"} 8\n\
        u -1e3\n# TYPE nothing gauge\n# HELP nothing There are no samples.\n";
    let families = parse(text.as_bytes()).unwrap().families;
    let lines: String = families.iter().map(|family| format!("{family:?}\n")).collect();
    expect![[r#"
        Family { name: "c", kind: Counter, help: Some("One \\ two\nthree \" four."), samples: [Sample { labels: [("x", "y")], value: Number(5.0) }, Sample { labels: [], value: Number(6.0) }] }
        Family { name: "h", kind: Histogram, help: None, samples: [Sample { labels: [], value: Distribution(Distribution { points: [(1.0, 2.0), (2.0, 3.0)], sum: 0.5, count: 4 }) }] }
        Family { name: "s", kind: Summary, help: None, samples: [Sample { labels: [("x", "y")], value: Distribution(Distribution { points: [(0.5, NaN)], sum: 7.0, count: 8 }) }] }
        Family { name: "u", kind: Untyped, help: None, samples: [Sample { labels: [], value: Number(-1000.0) }] }
    "#]].assert_eq(&lines);
}

#[test]
fn reads_odd_spellings() {
    for (odd, plain) in [
        ("\t a\t{ x = \"y\" , }  1\n", "a{x=\"y\"} 1\n"),
        ("a{}1\n", "a 1\n"),
        ("{\"a\", x=\"y\"} 1\n", "a{x=\"y\"} 1\n"),
        ("{\"a\"} 1\n", "a 1\n"),
        ("a{\"x\"=\"y\"} 1\n", "a{x=\"y\"} 1\n"),
        ("a{y=\"2\",x=\"1\"} 1\n", "a{x=\"1\",y=\"2\"} 1\n"),
        ("\n \t\n# a comment\n#\n# HELP\n# HELP a\n# TYPE a \n# help a x\n# UNIT a s\na 1\n  ", "a 1\n"),
        ("#\tTYPE \t a\tGauGe\na 1\n", "# TYPE a gauge\na 1\n"),
        ("#HELP a   text \na 1\n", "a 1\n# HELP a text \n"),
        ("a iNf\n", "a +Inf\n"),
        ("a -Infinity\n", "a -inf\n"),
        ("a +.5\n", "a 5.e-1\n"),
        ("a 1e-400\n", "a 0\n"),
        // Part of the family: a bucket by the family's own name, what has no place.
        (
            "# TYPE a histogram\na{le=\"1\"} 3\na 7\na_bucket 8\na{le=\"Inf\"} 3\n",
            "# TYPE a histogram\na_bucket{le=\"1\"} 3\na_bucket{le=\"+Inf\"} 3\na_count 3\n",
        ),
        ("# TYPE a summary\n# HELP a_sum x\na_sum 3\n", "# TYPE a summary\n# HELP a x\na_sum 3\n"),
    ] {
        let (odd_text, plain) = (parse(odd.as_bytes()).expect(odd), parse(plain.as_bytes()).unwrap());
        assert_eq!(odd_text.families, plain.families, "{odd}");
    }
}

#[test]
fn refuses_broken_lines() {
    expect![[r#"
        "a 1": line 1: the last line has no newline: the file was cut short
        "a 1\n#": line 2: the last line has no newline: the file was cut short
        "a\n": line 1: expected a number
        "1a 1\n": line 1: expected a metric name
        "a-b 1\n": line 1: expected a number: "-b"
        "a 1,5\n": line 1: expected a number: "1,5"
        "a 0x10\n": line 1: expected a number: "0x10"
        "a 1_000\n": line 1: expected a number: "1_000"
        "a 1e400\n": line 1: expected a number: "1e400"
        "a -nan\n": line 1: expected a number: "-nan"
        "a 1\r\n": line 1: expected a number: "1\\r"
        "a 1 \n": line 1: blanks after the number
        "a 1 1700000000\n": line 1: timestamps are not supported
        "a{\n": line 1: expected a label's name, or `}`
        "a{x=\"1\"\n": line 1: expected `,` or `}` after the label: "x"
        "a{,} 1\n": line 1: expected a label's name, or `}`
        "a{x=\"1\",,} 1\n": line 1: expected a label's name, or `}`
        "a{x=\"1\" y=\"2\"} 1\n": line 1: expected `,` or `}` after the label: "x"
        "a{x} 1\n": line 1: expected `=` after the label name: "x"
        "a{x=1} 1\n": line 1: expected the label in double quotes: "x"
        "a{x=\"1} 1\n": line 1: expected the label in double quotes: "x"
        "a{x=\"\\t\"} 1\n": line 1: a backslash may only stand before `\`, `"` or `n`
        "a{x=\"1\",x=\"1\"} 1\n": line 1: a label is given twice: "x"
        "a{__name__=\"b\"} 1\n": line 1: the label name is reserved: "__name__"
        "a{x:y=\"1\"} 1\n": line 1: expected `=` after the label name: "x"
        "{x=\"1\"} 1\n": line 1: expected `,` or `}` after the name: "x"
        "{\"a.b\"} 1\n": line 1: expected a metric name
        "{} 1\n": line 1: expected a metric name
        "\u{feff}a 1\n": line 1: expected a metric name
    "#]]
    .assert_eq(&problems(&[
        "a 1",
        "a 1\n#",
        "a\n",
        "1a 1\n",
        "a-b 1\n",
        "a 1,5\n",
        "a 0x10\n",
        "a 1_000\n",
        "a 1e400\n",
        "a -nan\n",
        "a 1\r\n",
        "a 1 \n",
        "a 1 1700000000\n",
        "a{\n",
        "a{x=\"1\"\n",
        "a{,} 1\n",
        "a{x=\"1\",,} 1\n",
        "a{x=\"1\" y=\"2\"} 1\n",
        "a{x} 1\n",
        "a{x=1} 1\n",
        "a{x=\"1} 1\n",
        "a{x=\"\\t\"} 1\n",
        "a{x=\"1\",x=\"1\"} 1\n",
        "a{__name__=\"b\"} 1\n",
        "a{x:y=\"1\"} 1\n",
        "{x=\"1\"} 1\n",
        "{\"a.b\"} 1\n",
        "{} 1\n",
        "\u{feff}a 1\n",
    ]));
    assert_eq!(parse(b"a{x=\"\xff\"} 1\n").unwrap_err().wrong.problem, "the label is not UTF-8");
}

#[test]
fn refuses_contradictions_and_counts_that_are_none() {
    expect![[r##"
        "# HELP a-b x\n": line 1: expected a blank after the name: "a"
        "# HELP a one\n# HELP a one\n": line 2: a second HELP: "a"
        "# HELP a \\t\n": line 1: a backslash may only stand before `\`, `"` or `n`
        "# HELP a \\\n": line 1: a backslash may only stand before `\`, `"` or `n`
        "# TYPE a counter\n# TYPE a counter\n": line 2: a second TYPE, or one after the samples: "a"
        "a 1\n# TYPE a counter\n": line 2: a second TYPE, or one after the samples: "a"
        "# TYPE a counter \n": line 1: unknown type: "counter "
        "# TYPE a unknown\n": line 1: unknown type: "unknown"
        "# TYPE a gauge_histogram\n": line 1: unknown type: "gauge_histogram"
        "# TYPE a summary\n# TYPE a_sum counter\n": line 2: a second TYPE, or one after the samples: "a_sum"
        "# TYPE a summary\na{quantile=\"x\"} 1\n": line 2: the bound is no number: "quantile"
        "# TYPE a summary\na_count 1.5\n": line 2: expected a count: "1.5"
        "# TYPE a summary\na_count nan\n": line 2: expected a count: "NaN"
        "# TYPE a summary\na_count 1e30\n": line 2: expected a count: "1000000000000000000000000000000"
        "# TYPE a histogram\na_bucket{le=\"\"} 1\n": line 2: the bound is no number: "le"
        "# TYPE a histogram\na_bucket{le=\"1\"} -1\n": line 2: expected a count: "-1"
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 9\na_count 4\n": line 3: the count and the bucket up to +Inf differ: "4 and 9"
    "##]].assert_eq(&problems(&[
        "# HELP a-b x\n",
        "# HELP a one\n# HELP a one\n",
        "# HELP a \\t\n",
        "# HELP a \\\n",
        "# TYPE a counter\n# TYPE a counter\n",
        "a 1\n# TYPE a counter\n",
        "# TYPE a counter \n",
        "# TYPE a unknown\n",
        "# TYPE a gauge_histogram\n",
        "# TYPE a summary\n# TYPE a_sum counter\n",
        "# TYPE a summary\na{quantile=\"x\"} 1\n",
        "# TYPE a summary\na_count 1.5\n",
        "# TYPE a summary\na_count nan\n",
        "# TYPE a summary\na_count 1e30\n",
        "# TYPE a histogram\na_bucket{le=\"\"} 1\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} -1\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 9\na_count 4\n",
    ]));
}

#[test]
fn what_is_given_twice_and_what_is_no_histogram_cost_themselves() {
    let text = "a{x=\"1\"} 1\na 2\na{x=\"1\"} 3\na{x=\"\"} 4\n# TYPE s summary\ns{quantile=\"1\"} 5\ns{quantile=\"1.0\"} 6\n\
        s_sum 7\ns_sum 7\ns_count 8\ns_count 9\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\n\
        h_bucket{le=\"1\",x=\"falls\"} 2\nh_bucket{le=\"2\",x=\"falls\"} 1\nh_bucket{le=\"+Inf\",x=\"falls\"} 3\n\
        h_bucket{le=\"+Inf\",x=\"good\"} 3\nh_bucket{le=\"+Inf\",x=\"good\"} 3\n";
    let Text { families, lines, left_out } = parse(text.as_bytes()).unwrap();
    let mut found: String =
        families.iter().zip(lines).map(|(family, line)| format!("{line}: {family:?}\n")).collect();
    found.extend(left_out.iter().map(|it| format!("{it:?}\n")));
    expect![[r#"
        1: Family { name: "a", kind: Untyped, help: None, samples: [Sample { labels: [("x", "1")], value: Number(1.0) }, Sample { labels: [], value: Number(2.0) }] }
        5: Family { name: "s", kind: Summary, help: None, samples: [Sample { labels: [], value: Distribution(Distribution { points: [(1.0, 5.0)], sum: 7.0, count: 8 }) }] }
        12: Family { name: "h", kind: Histogram, help: None, samples: [Sample { labels: [("x", "good")], value: Distribution(Distribution { points: [], sum: 0.0, count: 3 }) }] }
        Malformed { line: 3, wrong: Wrong { problem: "the sample was given before", found: "a" } }
        Malformed { line: 4, wrong: Wrong { problem: "the sample was given before", found: "a" } }
        Malformed { line: 7, wrong: Wrong { problem: "the sample was given before", found: "s" } }
        Malformed { line: 9, wrong: Wrong { problem: "the sample was given before", found: "s_sum" } }
        Malformed { line: 11, wrong: Wrong { problem: "the sample was given before", found: "s_count" } }
        Malformed { line: 13, wrong: Wrong { problem: "a histogram has no bucket up to +Inf", found: "h" } }
        Malformed { line: 15, wrong: Wrong { problem: "a histogram has buckets that fall", found: "h" } }
        Malformed { line: 19, wrong: Wrong { problem: "the sample was given before", found: "h_bucket" } }
    "#]].assert_eq(&found);
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_in_help() {
    assert_eq!(parse(b"# HELP a x\xffy\na 1\n").unwrap().families[0].help.as_deref(), Some("x\u{fffd}y"));
}

#[test]
fn gives_each_sample_the_labels_of_all() {
    let mut family = parse(b"a 1\na{x=\"1\"} 2\na{y=\"2\"} 3\n").unwrap().families.remove(0);
    family.complete_labels();
    let expected =
        parse(b"a{x=\"\",y=\"\"} 1\na{x=\"1\",y=\"\"} 2\na{x=\"\",y=\"2\"} 3\n").unwrap().families.remove(0);
    assert_eq!(family, expected);
}

proptest! {
    #[test]
    fn never_panics_on_bytes(text: Vec<u8>) {
        drop(parse(&text));
    }

    #[test]
    fn never_panics_on_pieces_of_the_format(pieces in prop::collection::vec(piece(), 0..40)) {
        let text: Vec<u8> = pieces.concat();
        if let Ok(Text { families, .. }) = parse(&text) {
            prop_assert!(families.iter().all(|family| !family.samples.is_empty()));
        }
    }
}

fn piece() -> impl Strategy<Value = &'static [u8]> {
    const PIECES: &[&[u8]] = &[
        b"a",
        b"b",
        b"_count",
        b"_sum",
        b"_bucket",
        b"# TYPE a ",
        b"# HELP a ",
        b"summary\n",
        b"histogram\n",
        b"{",
        b"}",
        b"le=\"1\"",
        b"quantile=\"0.5\"",
        b"x=\"y\"",
        b",",
        b"=",
        b"\"",
        b"\\",
        b" 1\n",
        b" -1.5\n",
        b" nan\n",
        b" +Inf\n",
        b"1e9",
        b" ",
        b"\t",
        b"\n",
        b"\r\n",
        b"\xff",
        b"\xc3\xa9",
        b"\0",
    ];
    prop::sample::select(PIECES)
}

/// What is taken can be merged, too.
#[test]
#[ignore = "fuzzes for ten seconds"]
fn fuzzed_text_files() {
    let types = b"# TYPE c counter\n# HELP c One \\\\ two\\n.\nc{x=\"y\"} 5\nc 6\n# TYPE h histogram\n\
        h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 4\nh_sum 0.5\nh_count 4\n# TYPE s summary\ns{quantile=\"0.5\"} NaN\n\
        s_sum 7\ns_count 8\nu -1e3 1700000000000\n";
    let odd = b"\t a\t{ x = \"y\\\"\\\\\" , }  1\n{\"a.b\", \"x\"=\"y\"} +Inf\n# just a comment\r\n# EOF\nb 0x1p-2\n";
    fuzz(&[types, odd], |text| {
        let Ok(Text { mut families, .. }) = parse(text) else { return };
        families.iter_mut().for_each(Family::complete_labels);
        let mut merged = Merged::default();
        for family in &families {
            black_box(merged.add(std::path::Path::new("a.prom"), family)).ok();
        }
        for (_, group) in merged.iter() {
            black_box((group.help(), group.families().count()));
        }
    });
}
