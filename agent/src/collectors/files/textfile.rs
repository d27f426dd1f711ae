//! Families that other programs write into `*.prom` files, in the text format of Prometheus.

use crate::{
    collector::LeftOut,
    collectors::prelude::*,
    metric::{self, Buckets, Quantiles},
    source::{
        prometheus_text::{Group, Kind, Malformed, Merged, Sample, Text, Value},
        text_files::{Refused, TextFile, TextFiles},
    },
};
use std::{collections::BTreeMap, time::Duration};
use tracing::{info, warn};

metrics! {
    ERROR: Gauge "hostlens_textfile_error" ["file", "line", "reason"], "1 for each file, or family or sample of one, that was left out, and why; a line that is not of the format costs the whole file.";
    MTIME: Gauge "node_textfile_mtime_seconds" ["file"], "When each file that could be read was last written, in Unix time.";
    SCRAPE_ERROR: Gauge "node_textfile_scrape_error" [], "1 if something in the files or folders was left out, else 0.";
}

section! {
    pub(super) struct Config {
        /// Folders whose *.prom files are read; shell patterns are allowed, as in /var/lib/*/metrics.
        directory: Vec<String> = Vec::<String>::new(),
        /// Age from which a file's samples are left out and reported; "0s" takes files of any age.
        max_age: Duration = "0s",
    }
}

pub(super) struct Textfile {
    files: TextFiles,
    max_age: Duration,
    /// What was left out of the last scrape, and what stands there.
    problems: BTreeMap<Problem, String>,
}

/// Why something was left out. Anybody may read it: there is no word of a file in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    file: String,
    /// Empty when it is not about a line.
    line: String,
    reason: String,
}

impl Spec for Textfile {
    const SUMMARY: &'static str = "Metrics that other programs leave in *.prom files.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, _: &Host) -> Result<Self, Error> {
        let files = TextFiles::new(config.directory);
        Ok(Self { files, max_age: config.max_age, problems: BTreeMap::new() })
    }
}

impl Collector for Textfile {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let mut merged = Merged::default();
        let mut problems = BTreeMap::new();
        for file in self.files.read() {
            problems.extend(take(file, self.max_age, &mut merged, out));
        }
        for (name, group) in merged.iter() {
            push_family(name, group, out);
        }
        for it in problems.keys() {
            out.push(ERROR, [&it.file, &it.line, &it.reason], true);
        }
        out.push(SCRAPE_ERROR, (), !problems.is_empty());
        for (it, found) in problems.iter().filter(|(it, _)| !self.problems.contains_key(it)) {
            warn!(file = it.file, line = it.line, reason = it.reason, found, "left out of the text files");
        }
        for it in self.problems.keys().filter(|it| !problems.contains_key(it)) {
            info!(file = it.file, reason = it.reason, "no longer wrong in the text files");
        }
        self.problems = problems;
        Ok(())
    }

    fn left_out(&self) -> Vec<LeftOut> {
        let told = |Problem { file, line, reason }: &Problem| LeftOut {
            place: if line.is_empty() { file.clone() } else { format!("{file}, line {line}") },
            reason: reason.clone(),
            remedy: "correct the file; the next scrape reads it again",
        };
        self.problems.keys().map(told).collect()
    }
}

/// Takes what is good of a file and tells what is not.
fn take<'a>(
    file: &'a TextFile,
    max_age: Duration,
    merged: &mut Merged<'a>,
    out: &mut Families,
) -> Vec<(Problem, String)> {
    let problem = |line: Option<usize>, reason: &str, found: &str| {
        let file = file.path.to_string_lossy().into_owned();
        let line = line.map(|line| line.to_string()).unwrap_or_default();
        (Problem { file, line, reason: reason.to_owned() }, found.to_owned())
    };
    let malformed = |Malformed { line, wrong }: &Malformed| problem(Some(*line), wrong.problem, &wrong.found);
    let Text { families, lines, left_out } = match &file.content {
        Ok(text) => text,
        Err(Refused::Unreadable(reason)) => return vec![problem(None, reason, "")],
        Err(Refused::Malformed(it)) => return vec![malformed(it)],
    };
    out.push(MTIME, [file.path.as_os_str().as_encoded_bytes()], file.modified);
    if !max_age.is_zero() && file.age() > max_age {
        return vec![problem(None, "older than max_age", "")];
    }
    let mut problems: Vec<_> = left_out.iter().map(malformed).collect();
    for (family, line) in families.iter().zip(lines) {
        let is_ours = METRICS.iter().any(|it| it.name == family.name);
        let added = if is_ours { Err("the name is taken") } else { merged.add(&file.path, family) };
        problems.extend(added.err().map(|why| problem(Some(*line), why, &family.name)));
    }
    problems
}

fn push_family(name: &str, group: &Group<'_>, out: &mut Families) {
    let kind = match group.kind {
        Kind::Counter => metric::Kind::Counter,
        Kind::Gauge => metric::Kind::Gauge,
        Kind::Histogram => metric::Kind::Histogram,
        Kind::Summary => metric::Kind::Summary,
        Kind::Untyped => metric::Kind::Untyped,
    };
    let help = group.help();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for Sample { labels, value } in group.families().flat_map(|it| &it.samples) {
        pairs.clear();
        pairs.extend(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut push = |value: metric::Value<'_>| out.push_foreign(name, kind, &help, &pairs, value, None);
        match value {
            Value::Number(number) => push(metric::Value::Number(*number)),
            Value::Distribution(it) if kind == metric::Kind::Histogram => {
                let classic = it.points.iter().map(|&(bound, count)| (bound, count as u64)).collect();
                let buckets = Buckets { classic, native: None, count: it.count, sum: it.sum, start: None };
                push(metric::Value::Histogram(&buckets));
            }
            Value::Distribution(it) => {
                let quantiles = Quantiles { quantiles: it.points.clone(), sum: it.sum, count: it.count };
                push(metric::Value::Summary(&quantiles));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exposition::Encoder,
        source::prometheus_text::{Distribution, Family, parse},
        testing::TestHost,
    };
    use proptest::prelude::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::{fs, path::Path, time::SystemTime};

    /// A quarter to midnight in Greenwich, 14 November 2023.
    const MODIFIED: u64 = 1_700_005_500;

    fn touch(path: &Path, modified: u64) {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(modified);
        fs::File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    fn host(files: &[(&str, &str)]) -> TestHost {
        let host = TestHost::new(files);
        for (path, _) in
            files.iter().filter(|(path, content)| !path.ends_with('/') && !content.starts_with("->"))
        {
            touch(&host.path().join(path), MODIFIED);
        }
        host
    }

    fn open(host: &TestHost, section: &str) -> Textfile {
        host.open(&section.replace("ROOT", host.path().to_str().unwrap())).unwrap()
    }

    fn collect(host: &TestHost, textfile: &mut Textfile) -> String {
        let mut out = Families::new(METRICS);
        textfile.collect(&mut out).unwrap();
        host.render(&out)
    }

    #[track_caller]
    fn check_folder(section: &str, files: &[(&str, &str)], expect: expect_test::Expect) {
        let host = host(files);
        let mut textfile = open(&host, section);
        let answer = collect(&host, &mut textfile);
        expect.assert_eq(&answer);
        assert_eq!(answer, collect(&host, &mut textfile), "the second scrape");
    }

    #[test]
    fn gives_the_families_of_all_files() {
        let types = "# TYPE c counter\n# HELP c Things.\nc{x=\"1\"} 5\nc{y=\"2\"} 6\nc 7\n# TYPE g gauge\ng NaN\n\
            # TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 4\nh_sum 3\nh_count 4\n\
            # TYPE s summary\ns{quantile=\"0.9\"} 2\ns{quantile=\"0.5\"} 1\ns_sum 3\ns_count 4\n";
        let files =
            [("d/types.prom", types), ("d/a.prom", "u 1\n"), ("d/b.txt", "ignored"), ("d/empty.prom", "")];
        check_folder(
            "directory = 'ROOT/d/'",
            &files,
            expect![[r##"
            # HELP c Things.
            # TYPE c counter
            c{x="",y=""} 7
            c{x="",y="2"} 6
            c{x="1",y=""} 5
            # HELP g Metric read from d/types.prom
            # TYPE g gauge
            g NaN
            # HELP h Metric read from d/types.prom
            # TYPE h histogram
            h_bucket{le="0.5"} 1
            h_bucket{le="+Inf"} 4
            h_sum 3
            h_count 4
            # HELP node_textfile_mtime_seconds When each file that could be read was last written, in Unix time.
            # TYPE node_textfile_mtime_seconds gauge
            node_textfile_mtime_seconds{file="d/a.prom"} 1.7000055e+09
            node_textfile_mtime_seconds{file="d/empty.prom"} 1.7000055e+09
            node_textfile_mtime_seconds{file="d/types.prom"} 1.7000055e+09
            # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
            # TYPE node_textfile_scrape_error gauge
            node_textfile_scrape_error 0
            # HELP s Metric read from d/types.prom
            # TYPE s summary
            s{quantile="0.5"} 1
            s{quantile="0.9"} 2
            s_sum 3
            s_count 4
            # HELP u Metric read from d/a.prom
            # TYPE u untyped
            u 1
        "##]],
        );
    }

    #[test]
    fn is_quiet_without_folders() {
        check_folder(
            "",
            &[],
            expect![[r#"
            # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
            # TYPE node_textfile_scrape_error gauge
            node_textfile_scrape_error 0
        "#]],
        );
        check_folder(
            "directory = ''",
            &[],
            expect![[r#"
            # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
            # TYPE node_textfile_scrape_error gauge
            node_textfile_scrape_error 0
        "#]],
        );
    }

    #[test]
    fn tells_of_a_folder_that_is_not_there() {
        check_folder(
            "directory = ['ROOT/none', 'ROOT/no*']",
            &[("a/", "")],
            expect![[r##"
                # HELP hostlens_textfile_error 1 for each file, or family or sample of one, that was left out, and why; a line that is not of the format costs the whole file.
                # TYPE hostlens_textfile_error gauge
                hostlens_textfile_error{file="no*",line="",reason="No such file or directory (os error 2)"} 1
                hostlens_textfile_error{file="none",line="",reason="No such file or directory (os error 2)"} 1
                # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
                # TYPE node_textfile_scrape_error gauge
                node_textfile_scrape_error 1
            "##]],
        );
    }

    #[test]
    fn finds_folders_by_pattern_and_each_file_once() {
        let files = [("a/x/1.prom", "a 1\n"), ("b/x/1.prom", "b 1\n"), ("c/y/1.prom", "c 1\n")];
        check_folder(
            "directory = ['ROOT/[ab]/x', 'ROOT/*/x']",
            &files,
            expect![[r##"
            # HELP a Metric read from a/x/1.prom
            # TYPE a untyped
            a 1
            # HELP b Metric read from b/x/1.prom
            # TYPE b untyped
            b 1
            # HELP node_textfile_mtime_seconds When each file that could be read was last written, in Unix time.
            # TYPE node_textfile_mtime_seconds gauge
            node_textfile_mtime_seconds{file="a/x/1.prom"} 1.7000055e+09
            node_textfile_mtime_seconds{file="b/x/1.prom"} 1.7000055e+09
            # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
            # TYPE node_textfile_scrape_error gauge
            node_textfile_scrape_error 0
        "##]],
        );
    }

    #[test]
    fn merges_a_family_of_several_files() {
        let files = [
            ("d/1.prom", "a{x=\"1\"} 1\nb 1\nd{x=\"1\"} 1\n"),
            ("d/2.prom", "# HELP a Of the second.\na{x=\"2\"} 2\nd{x=\"2\"} 2\n"),
            ("d/3.prom", "# HELP a Of the third.\na{x=\"3\"} 3\n# TYPE b counter\nb{x=\"3\"} 3\nc 3\n"),
        ];
        check_folder(
            "directory = 'ROOT/d'",
            &files,
            expect![[r##"
                # HELP a Of the second.
                # TYPE a untyped
                a{x="1"} 1
                a{x="2"} 2
                # HELP b Metric read from d/1.prom
                # TYPE b untyped
                b 1
                # HELP c Metric read from d/3.prom
                # TYPE c untyped
                c 3
                # HELP d Metric read from d/1.prom, d/2.prom
                # TYPE d untyped
                d{x="1"} 1
                d{x="2"} 2
                # HELP hostlens_textfile_error 1 for each file, or family or sample of one, that was left out, and why; a line that is not of the format costs the whole file.
                # TYPE hostlens_textfile_error gauge
                hostlens_textfile_error{file="d/3.prom",line="1",reason="an earlier file gives it another help text"} 1
                hostlens_textfile_error{file="d/3.prom",line="3",reason="an earlier file gives it another type"} 1
                # HELP node_textfile_mtime_seconds When each file that could be read was last written, in Unix time.
                # TYPE node_textfile_mtime_seconds gauge
                node_textfile_mtime_seconds{file="d/1.prom"} 1.7000055e+09
                node_textfile_mtime_seconds{file="d/2.prom"} 1.7000055e+09
                node_textfile_mtime_seconds{file="d/3.prom"} 1.7000055e+09
                # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
                # TYPE node_textfile_scrape_error gauge
                node_textfile_scrape_error 1
            "##]],
        );
    }

    #[test]
    fn a_wrong_file_costs_only_itself() {
        let files = [
            ("d/1.prom", "good 1\n"),
            ("d/2.prom", "bad 1\nbad{x=\"1\"} 2 1700000000\n"),
            ("d/3.prom", "half 1\nhal"),
            ("d/4.prom", "node_textfile_scrape_error 0\nalso_good 1\n"),
            (
                "d/5.prom",
                "h_count 3\n# TYPE h histogram\nh_sum 1\nh_bucket{le=\"+Inf\"} 3\n# TYPE s summary\ns_sum 1\n",
            ),
            ("d/6.prom", "s_count 3\n"),
        ];
        check_folder(
            "directory = 'ROOT/d'",
            &files,
            expect![[r##"
                # HELP also_good Metric read from d/4.prom
                # TYPE also_good untyped
                also_good 1
                # HELP good Metric read from d/1.prom
                # TYPE good untyped
                good 1
                # HELP h_count Metric read from d/5.prom
                # TYPE h_count untyped
                h_count 3
                # HELP hostlens_textfile_error 1 for each file, or family or sample of one, that was left out, and why; a line that is not of the format costs the whole file.
                # TYPE hostlens_textfile_error gauge
                hostlens_textfile_error{file="d/2.prom",line="2",reason="timestamps are not supported"} 1
                hostlens_textfile_error{file="d/3.prom",line="2",reason="the last line has no newline: the file was cut short"} 1
                hostlens_textfile_error{file="d/4.prom",line="1",reason="the name is taken"} 1
                hostlens_textfile_error{file="d/5.prom",line="2",reason="a histogram or summary has samples of that name"} 1
                hostlens_textfile_error{file="d/6.prom",line="1",reason="a histogram or summary has samples of that name"} 1
                # HELP node_textfile_mtime_seconds When each file that could be read was last written, in Unix time.
                # TYPE node_textfile_mtime_seconds gauge
                node_textfile_mtime_seconds{file="d/1.prom"} 1.7000055e+09
                node_textfile_mtime_seconds{file="d/4.prom"} 1.7000055e+09
                node_textfile_mtime_seconds{file="d/5.prom"} 1.7000055e+09
                node_textfile_mtime_seconds{file="d/6.prom"} 1.7000055e+09
                # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
                # TYPE node_textfile_scrape_error gauge
                node_textfile_scrape_error 1
                # HELP s Metric read from d/5.prom
                # TYPE s summary
                s_sum 1
                s_count 0
            "##]],
        );
    }

    #[test]
    fn reads_nothing_but_regular_files() {
        let host = host(&[
            ("d/folder.prom/", ""),
            ("d/gone.prom", "-> nowhere"),
            ("d/link.prom", "-> ../ok"),
            ("ok", "ok 1\n"),
        ]);
        mknodat(CWD, host.path().join("d/fifo.prom"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::File::create(host.path().join("d/large.prom")).unwrap().set_len((32 << 20) + 1).unwrap();
        fs::write(host.path().join("d/bytes.prom"), b"a{x=\"\xff\"} 1\n").unwrap();
        let mut textfile = open(&host, "directory = 'ROOT/d'");
        expect![[r##"
            # HELP hostlens_textfile_error 1 for each file, or family or sample of one, that was left out, and why; a line that is not of the format costs the whole file.
            # TYPE hostlens_textfile_error gauge
            hostlens_textfile_error{file="d/bytes.prom",line="1",reason="the label is not UTF-8"} 1
            hostlens_textfile_error{file="d/fifo.prom",line="",reason="not a regular file"} 1
            hostlens_textfile_error{file="d/folder.prom",line="",reason="Is a directory (os error 21)"} 1
            hostlens_textfile_error{file="d/gone.prom",line="",reason="No such file or directory (os error 2)"} 1
            hostlens_textfile_error{file="d/large.prom",line="",reason="larger than 32 MiB"} 1
            # HELP node_textfile_mtime_seconds When each file that could be read was last written, in Unix time.
            # TYPE node_textfile_mtime_seconds gauge
            node_textfile_mtime_seconds{file="d/link.prom"} 1.7000055e+09
            # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
            # TYPE node_textfile_scrape_error gauge
            node_textfile_scrape_error 1
            # HELP ok Metric read from d/link.prom
            # TYPE ok untyped
            ok 1
        "##]].assert_eq(&collect(&host, &mut textfile));
    }

    #[test]
    fn a_sample_that_is_given_twice_costs_itself() {
        check_folder(
            "directory = 'ROOT/d'",
            &[("d/1.prom", "# TYPE a gauge\na{disk=\"0\"} 1\na{disk=\"1\"} 1\na{disk=\"0\"} 0\n")],
            expect![[r##"
                # HELP a Metric read from d/1.prom
                # TYPE a gauge
                a{disk="0"} 1
                a{disk="1"} 1
                # HELP hostlens_textfile_error 1 for each file, or family or sample of one, that was left out, and why; a line that is not of the format costs the whole file.
                # TYPE hostlens_textfile_error gauge
                hostlens_textfile_error{file="d/1.prom",line="4",reason="the sample was given before"} 1
                # HELP node_textfile_mtime_seconds When each file that could be read was last written, in Unix time.
                # TYPE node_textfile_mtime_seconds gauge
                node_textfile_mtime_seconds{file="d/1.prom"} 1.7000055e+09
                # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
                # TYPE node_textfile_scrape_error gauge
                node_textfile_scrape_error 1
            "##]],
        );
    }

    #[test]
    fn a_histogram_without_its_last_bucket_is_refused() {
        check_folder(
            "directory = 'ROOT/d'",
            &[("d/1.prom", "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_sum 2\nh_count 3\na 1\n")],
            expect![[r##"
                # HELP a Metric read from d/1.prom
                # TYPE a untyped
                a 1
                # HELP hostlens_textfile_error 1 for each file, or family or sample of one, that was left out, and why; a line that is not of the format costs the whole file.
                # TYPE hostlens_textfile_error gauge
                hostlens_textfile_error{file="d/1.prom",line="2",reason="a histogram has no bucket up to +Inf"} 1
                # HELP node_textfile_mtime_seconds When each file that could be read was last written, in Unix time.
                # TYPE node_textfile_mtime_seconds gauge
                node_textfile_mtime_seconds{file="d/1.prom"} 1.7000055e+09
                # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
                # TYPE node_textfile_scrape_error gauge
                node_textfile_scrape_error 1
            "##]],
        );
    }

    #[test]
    fn a_secret_that_a_link_leads_to_stays_one() {
        let secrets = [
            "s3cr3t\n",
            "s3cr3t s3cr3t\n",
            "s3cr3t{s3cr3t}\n",
            "s3cr3t{s3cr3t=\"s3cr3t\n",
            "s3cr3t{s3cr3t=\"a\",s3cr3t=\"b\"} 1\n",
            "# HELP s3cr3t-s3cr3t\n",
            "# TYPE s3cr3t s3cr3t\n",
            "# HELP s3cr3t a\n# HELP s3cr3t b\n",
            "s3cr3t{__s3cr3t=\"\"} 1\n",
            "# TYPE s3cr3t gauge\n# TYPE s3cr3t gauge\n",
            "# TYPE s3cr3t histogram\ns3cr3t 1\n",
            "# TYPE s3cr3t summary\ns3cr3t{quantile=\"s3cr3t\"} 1\n",
        ];
        for secret in secrets {
            let host = host(&[("secret", secret), ("d/1.prom", "-> ../secret")]);
            let answer = collect(&host, &mut open(&host, "directory = 'ROOT/d'"));
            assert!(
                answer.contains("\nnode_textfile_scrape_error 1\n") && !answer.contains("s3cr3t"),
                "{answer}"
            );
        }
    }

    /// As in node_exporter, which counts it as an error in gathering.
    #[test]
    fn of_a_sample_in_two_files_that_of_the_first_stays() {
        let files = [
            ("d/a.prom", "# TYPE g gauge\ng{a=\"1\"} 1\ng{a=\"2\"} 2\n"),
            ("d/b.prom", "# TYPE g gauge\ng{a=\"1\"} 7\ng{a=\"3\"} 3\n"),
        ];
        let host = host(&files);
        let mut out = Families::new(METRICS);
        open(&host, "directory = 'ROOT/d'").collect(&mut out).unwrap();
        let mut answer = Vec::new();
        let conflicts = Encoder::default().write(&[&out], &mut answer);
        let conflicts: Vec<_> = conflicts.iter().map(|it| (it.family.as_str(), it.why)).collect();
        assert_eq!(conflicts, [("g", "the same labels were given twice")]);
        let answer = String::from_utf8(answer).unwrap();
        let shown: Vec<_> = answer.lines().filter(|it| it.starts_with("g{")).collect();
        assert_eq!(shown, ["g{a=\"1\"} 1", "g{a=\"2\"} 2", "g{a=\"3\"} 3"]);
        assert!(answer.contains("\nnode_textfile_scrape_error 0\n"), "{answer}");
    }

    #[test]
    fn leaves_out_what_is_too_old() {
        check_folder(
            "directory = 'ROOT/d'\nmax_age = '24h'",
            &[("d/1.prom", "a 1\n")],
            expect![[r##"
                # HELP hostlens_textfile_error 1 for each file, or family or sample of one, that was left out, and why; a line that is not of the format costs the whole file.
                # TYPE hostlens_textfile_error gauge
                hostlens_textfile_error{file="d/1.prom",line="",reason="older than max_age"} 1
                # HELP node_textfile_mtime_seconds When each file that could be read was last written, in Unix time.
                # TYPE node_textfile_mtime_seconds gauge
                node_textfile_mtime_seconds{file="d/1.prom"} 1.7000055e+09
                # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
                # TYPE node_textfile_scrape_error gauge
                node_textfile_scrape_error 1
            "##]],
        );
        let host = TestHost::new(&[("d/1.prom", "a 1\n")]);
        let mut textfile = open(&host, "directory = 'ROOT/d'\nmax_age = '24h'");
        assert!(collect(&host, &mut textfile).contains("\na 1\n"));
    }

    #[test]
    fn parses_a_file_once_until_it_changes() {
        let host = host(&[("d/1.prom", "a 1\n")]);
        let path = host.path().join("d/1.prom");
        let mut textfile = open(&host, "directory = 'ROOT/d'");
        let mut value = |text: &str, modified: Option<u64>| {
            fs::write(&path, text).unwrap();
            if let Some(modified) = modified {
                touch(&path, modified);
            }
            let answer = collect(&host, &mut textfile);
            answer.lines().find(|line| line.starts_with("a ")).unwrap().to_owned()
        };
        assert_eq!(value("a 1\n", Some(MODIFIED)), "a 1");
        assert_eq!(value("a 2\n", Some(MODIFIED)), "a 1", "the same size and time");
        assert_eq!(value("a 2\n", Some(MODIFIED + 1)), "a 2");
        assert_eq!(value("a 10\n", Some(MODIFIED + 1)), "a 10");
        // Writes at almost the same time may leave no trace.
        assert_eq!(value("a 3\n", None), "a 3");
        assert_eq!(value("a 4\n", None), "a 4");
    }

    #[test]
    fn a_file_that_goes_leaves_nothing_behind() {
        let host = host(&[("d/1.prom", "a 1\n"), ("d/2.prom", "b x\n")]);
        let mut textfile = open(&host, "directory = 'ROOT/d'");
        let mut out = Families::new(METRICS);
        textfile.collect(&mut out).unwrap();
        fs::remove_file(host.path().join("d/1.prom")).unwrap();
        fs::remove_file(host.path().join("d/2.prom")).unwrap();
        out.clear();
        textfile.collect(&mut out).unwrap();
        expect![[r#"
            # HELP node_textfile_scrape_error 1 if something in the files or folders was left out, else 0.
            # TYPE node_textfile_scrape_error gauge
            node_textfile_scrape_error 0
        "#]]
        .assert_eq(&host.render(&out));
    }

    proptest! {
        #[test]
        fn what_it_pushes_reads_back_as_it_was(families in prop::collection::vec(family(), 0..8)) {
            let mut families: Vec<Family> = families;
            for (index, family) in families.iter_mut().enumerate() {
                family.name += &index.to_string();
            }
            families.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            let mut merged = Merged::default();
            for family in &families {
                merged.add(Path::new("x.prom"), family).unwrap();
            }
            let mut out = Families::new(METRICS);
            for (name, group) in merged.iter() {
                push_family(name, group, &mut out);
            }
            let mut bytes = Vec::new();
            prop_assert_eq!(Encoder::default().write(&[&out], &mut bytes), []);
            let mut read = parse(&bytes).unwrap().families;
            read.iter_mut().for_each(|it| it.samples.sort_unstable_by(|a, b| a.labels.cmp(&b.labels)));
            // NaN is not equal to itself.
            prop_assert_eq!(format!("{read:?}"), format!("{families:?}"));
        }
    }

    fn family() -> impl Strategy<Value = Family> {
        let kinds = prop::sample::select(
            &[Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Summary, Kind::Untyped][..],
        );
        let name = "[a-zA-Z_:][a-zA-Z0-9_:]{0,6}";
        let help = any::<String>()
            .prop_filter("texts begin after the blanks", |it| !it.is_empty() && !it.starts_with([' ', '\t']));
        let labels = prop::collection::btree_map("[a-km-pr-zA-Z][a-zA-Z0-9_]{0,5}", ".+", 0..4);
        (kinds, name, help, prop::collection::btree_set(labels, 1..5)).prop_flat_map(
            |(kind, name, help, labels)| {
                let n_samples = labels.len();
                prop::collection::vec(value(kind), n_samples).prop_map(move |values| {
                    let labels = labels.iter().map(|it| it.clone().into_iter().collect());
                    let samples = labels.zip(values).map(|(labels, value)| Sample { labels, value });
                    Family { name: name.clone(), kind, help: Some(help.clone()), samples: samples.collect() }
                })
            },
        )
    }

    fn value(kind: Kind) -> BoxedStrategy<Value> {
        // The text has one zero only.
        let number =
            || prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY)].prop_map(|it| it + 0.0);
        let count = || 0_u64..1 << 53;
        let bounds = prop::collection::btree_set(-1000_i32..1000, 0..5);
        match kind {
            Kind::Histogram => (bounds, prop::collection::vec(count(), 6), number())
                .prop_map(|(bounds, mut counts, sum)| {
                    counts.sort_unstable();
                    let points = bounds.into_iter().map(|it| f64::from(it) / 8.0);
                    let points = points.zip(counts.iter().map(|it| *it as f64)).collect();
                    Value::Distribution(Distribution { points, sum, count: counts[5] })
                })
                .boxed(),
            Kind::Summary => (bounds, prop::collection::vec(number(), 5), number(), count())
                .prop_map(|(bounds, values, sum, count)| {
                    let bounds = bounds.into_iter().map(|it| f64::from(it) / 8.0);
                    Value::Distribution(Distribution { points: bounds.zip(values).collect(), sum, count })
                })
                .boxed(),
            _ => number().prop_map(Value::Number).boxed(),
        }
    }

    /// The collector on files that were all written at one time.
    struct Touched(Textfile);

    impl Spec for Touched {
        const SUMMARY: &'static str = "";
        const ENABLED: bool = false;
        const METRICS: &'static [Meta] = METRICS;
        type Config = Config;

        fn open(config: Config, host: &Host) -> Result<Self, Error> {
            for file in config.directory.iter().flat_map(|it| fs::read_dir(it).unwrap()) {
                touch(&file.unwrap().path(), MODIFIED);
            }
            Textfile::open(config, host).map(Self)
        }
    }

    impl Collector for Touched {
        fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
            self.0.collect(out)
        }
    }

    #[test]
    fn a_wound_costs_one_file() {
        crate::testing::survives::<Touched>(
            "directory = ['ROOT/d']",
            &[
                ("d/one.prom", "# TYPE one gauge\none{disk=\"a\"} 11\none{disk=\"b\"} 12\n"),
                ("d/two.prom", "# HELP two Twos.\ntwo 21\n"),
            ],
        );
    }
}
