//! Prometheus text format 0.0.4, parsed strictly: what a scraper would tolerate is an error here.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context, Result, bail, ensure};

/// A parsed answer.
#[derive(Debug, Default)]
pub struct Exposition {
    pub families: BTreeMap<String, Family>,
}

/// A metric family. Samples of a histogram or summary keep their own names (`…_bucket`, `…_sum`, `…_count`).
#[derive(Debug, Default)]
pub struct Family {
    /// `counter`, `gauge`, `histogram`, `summary` or `untyped`; empty when the answer has no `# TYPE` line.
    pub kind: String,
    pub help: Option<String>,
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// A histogram, or several added up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    pub count: f64,
    pub sum: f64,
    /// Upper bound and cumulative count, in ascending order.
    pub buckets: Vec<(f64, f64)>,
}

impl Exposition {
    pub fn parse(text: &str) -> Result<Self> {
        ensure!(text.is_empty() || text.ends_with('\n'), "the last line does not end");
        let mut parsed = Self::default();
        let mut family = String::new();
        let mut series = HashSet::new();
        for (number, line) in text.lines().enumerate() {
            parsed
                .line(line, &mut family, &mut series)
                .with_context(|| format!("line {}: {line}", number + 1))?;
        }
        Ok(parsed)
    }

    /// The sample of that name that has at least these labels; an error unless there is exactly one.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let mut found = self.samples(name, labels);
        let first = found.next().with_context(|| format!("no sample {name} {labels:?}"))?;
        ensure!(found.next().is_none(), "more than one sample {name} {labels:?}");
        Ok(first.value)
    }

    /// The sum of the samples of that name that have at least these labels; an error when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let mut found = self.samples(name, labels).peekable();
        ensure!(found.peek().is_some(), "no sample {name} {labels:?}");
        Ok(found.map(|it| it.value).sum())
    }

    /// The samples of that name that have at least these labels.
    pub fn samples<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = &'a Sample> {
        let family = self.families.get(name).or_else(|| self.families.get(stem(name)));
        family
            .into_iter()
            .flat_map(|it| &it.samples)
            .filter(move |it| it.name == name && labels.iter().all(|(key, value)| it.has(key, value)))
    }

    /// The histograms of that family that have at least these labels, added up; an error when there is none.
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Result<Histogram> {
        let kind = self.families.get(name).map(|it| it.kind.as_str());
        ensure!(kind == Some("histogram"), "no histogram {name}");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for sample in self.samples(&format!("{name}_bucket"), labels) {
            let le = value(sample.labels.get("le").context("a bucket without `le`")?)?;
            match buckets.iter_mut().find(|(bound, _)| *bound == le) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((le, sample.value)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = self.sum(&format!("{name}_count"), labels)?;
        ensure!(
            buckets.last() == Some(&(f64::INFINITY, count)),
            "{name}: the last bucket is not +Inf with the count"
        );
        ensure!(buckets.is_sorted_by_key(|(_, count)| *count), "{name}: the buckets are not cumulative");
        Ok(Histogram { count, sum: self.sum(&format!("{name}_sum"), labels)?, buckets })
    }

    fn line(&mut self, line: &str, current: &mut String, series: &mut HashSet<String>) -> Result<()> {
        if line.is_empty() {
            return Ok(());
        }
        let Some(comment) = line.strip_prefix('#') else {
            return self.sample(line, current, series);
        };
        let Some((keyword, rest)) = comment.strip_prefix(' ').and_then(|it| it.split_once(' ')) else {
            return Ok(());
        };
        if !matches!(keyword, "HELP" | "TYPE") {
            return Ok(());
        }
        let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
        ensure!(is_name(name), "`{name}` is no metric name");
        if current != name {
            ensure!(!self.families.contains_key(name), "family {name} in two places");
            name.clone_into(current);
        }
        let family = self.families.entry(name.to_owned()).or_default();
        ensure!(family.samples.is_empty(), "{keyword} after samples");
        if keyword == "HELP" {
            ensure!(family.help.is_none(), "a second HELP");
            family.help = Some(unescape(text, false)?);
        } else {
            ensure!(family.kind.is_empty(), "a second TYPE");
            ensure!(["counter", "gauge", "histogram", "summary", "untyped"].contains(&text), "type `{text}`");
            text.clone_into(&mut family.kind);
        }
        Ok(())
    }

    fn sample(&mut self, line: &str, current: &mut String, series: &mut HashSet<String>) -> Result<()> {
        let sample = Sample::parse(line)?;
        ensure!(
            series.insert(format!("{} {:?}", sample.name, sample.labels)),
            "a second sample of this series"
        );
        let of_current = self.families.get(current).is_some_and(|it| match it.kind.as_str() {
            "histogram" | "summary" => sample.name == *current || stem(&sample.name) == current,
            _ => sample.name == *current,
        });
        if !of_current {
            ensure!(!self.families.contains_key(&sample.name), "family {} in two places", sample.name);
            sample.name.clone_into(current);
        }
        self.families.entry(current.clone()).or_default().samples.push(sample);
        Ok(())
    }
}

impl Sample {
    fn has(&self, key: &str, value: &str) -> bool {
        self.labels.get(key).is_some_and(|it| it == value)
    }

    fn parse(line: &str) -> Result<Self> {
        let end = line.find([' ', '{']).context("a name and nothing else")?;
        let (name, mut rest) = line.split_at(end);
        ensure!(is_name(name), "`{name}` is no metric name");
        let mut labels = BTreeMap::new();
        if let Some(after) = rest.strip_prefix('{') {
            rest = after;
            while !rest.starts_with('}') {
                let (key, after) = rest.split_once("=\"").context("a label without `=\"`")?;
                ensure!(is_name(key) && !key.contains(':'), "`{key}` is no label name");
                let end = closing_quote(after).context("a label value without end")?;
                ensure!(
                    labels.insert(key.to_owned(), unescape(&after[..end], true)?).is_none(),
                    "label `{key}` twice"
                );
                rest = &after[end + 1..];
                rest = rest.strip_prefix(',').unwrap_or(rest);
            }
            rest = &rest[1..];
        }
        let number = rest.strip_prefix(' ').context("no space before the value")?;
        let (number, time) = number.split_once(' ').unwrap_or((number, "0"));
        time.parse::<i64>().with_context(|| format!("time stamp `{time}`"))?;
        Ok(Self { name: name.to_owned(), labels, value: value(number)? })
    }
}

impl Histogram {
    /// What was observed since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let old =
            |bound: f64| before.buckets.iter().find(|(it, _)| *it == bound).map_or(0.0, |(_, count)| *count);
        Self {
            count: self.count - before.count,
            sum: self.sum - before.sum,
            buckets: self.buckets.iter().map(|&(bound, count)| (bound, count - old(bound))).collect(),
        }
    }
}

/// The family that a histogram's or summary's sample belongs to.
fn stem(name: &str) -> &str {
    ["_bucket", "_count", "_sum"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_' || it == ':')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == ':')
}

fn value(text: &str) -> Result<f64> {
    match text {
        "NaN" => Ok(f64::NAN),
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ if text.contains(|it: char| it.is_ascii_alphabetic() && it != 'e' && it != 'E') => {
            bail!("value `{text}`")
        }
        _ => text.parse().with_context(|| format!("value `{text}`")),
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|it| {
        let closes = it == b'"' && !escaped;
        escaped = it == b'\\' && !escaped;
        closes
    })
}

/// Label values escape `\`, `"` and the line feed, help texts only `\` and the line feed.
fn unescape(text: &str, quotes: bool) -> Result<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(it) = chars.next() {
        plain.push(match (it, it == '\\') {
            (_, false) => it,
            _ => match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                other => bail!("escape `\\{}`", other.map(String::from).unwrap_or_default()),
            },
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"# HELP up Whether it \\ works.
# TYPE up gauge
up{path="a\\b\"c\nd",host=""} 1
up{path="other"} 2.5e+06 1700000000000
# TYPE wait_seconds histogram
wait_seconds_bucket{cpu="0",le="0.5"} 1
wait_seconds_bucket{cpu="0",le="+Inf"} 3
wait_seconds_sum{cpu="0"} 2
wait_seconds_count{cpu="0"} 3
wait_seconds_bucket{cpu="1",le="0.5"} 0
wait_seconds_bucket{cpu="1",le="+Inf"} 1
wait_seconds_sum{cpu="1"} 1.5
wait_seconds_count{cpu="1"} 1
loose NaN
"#;

    fn error(text: &str) -> String {
        format!("{:#}", Exposition::parse(text).unwrap_err())
    }

    #[test]
    fn finds_samples_by_name_and_labels() {
        let page = Exposition::parse(PAGE).unwrap();
        assert_eq!(page.value("up", &[("path", "a\\b\"c\nd")]).unwrap(), 1.0);
        assert_eq!(page.value("up", &[("path", "other")]).unwrap(), 2_500_000.0);
        assert_eq!(page.sum("up", &[]).unwrap(), 2_500_001.0);
        assert!(page.value("loose", &[]).unwrap().is_nan());
        assert_eq!(page.families["up"].help.as_deref(), Some("Whether it \\ works."));
        assert_eq!(page.families["up"].kind, "gauge");
    }

    #[test]
    fn refuses_a_lookup_that_is_empty_or_ambiguous() {
        let page = Exposition::parse(PAGE).unwrap();
        assert_eq!(page.value("up", &[]).unwrap_err().to_string(), "more than one sample up []");
        assert_eq!(page.value("down", &[]).unwrap_err().to_string(), "no sample down []");
        assert_eq!(
            page.sum("up", &[("path", "c")]).unwrap_err().to_string(),
            r#"no sample up [("path", "c")]"#
        );
        assert_eq!(page.histogram("up", &[]).unwrap_err().to_string(), "no histogram up");
    }

    #[test]
    fn adds_up_histograms_and_subtracts_an_earlier_one() {
        let page = Exposition::parse(PAGE).unwrap();
        let all = page.histogram("wait_seconds", &[]).unwrap();
        assert_eq!(all, Histogram { count: 4.0, sum: 3.5, buckets: vec![(0.5, 1.0), (f64::INFINITY, 4.0)] });
        let first = page.histogram("wait_seconds", &[("cpu", "0")]).unwrap();
        let second = Histogram { count: 1.0, sum: 1.5, buckets: vec![(0.5, 0.0), (f64::INFINITY, 1.0)] };
        assert_eq!(all.since(&first), second);
    }

    #[test]
    fn refuses_what_a_scraper_might_tolerate() {
        for (text, why) in [
            ("a 1", "the last line does not end"),
            ("a 1\na 2\n", "line 2: a 2: a second sample of this series"),
            ("a 1\nb 1\na{x=\"\"} 2\n", "line 3: a{x=\"\"} 2: family a in two places"),
            ("# TYPE a gauge\n# TYPE a gauge\n", "line 2: # TYPE a gauge: a second TYPE"),
            ("# TYPE a number\n", "line 1: # TYPE a number: type `number`"),
            ("a 1\n# TYPE a gauge\n", "line 2: # TYPE a gauge: TYPE after samples"),
            ("a{x=\"\\t\"} 1\n", "line 1: a{x=\"\\t\"} 1: escape `\\t`"),
            ("a{x=\"1\",x=\"2\"} 1\n", "line 1: a{x=\"1\",x=\"2\"} 1: label `x` twice"),
            ("9a 1\n", "line 1: 9a 1: `9a` is no metric name"),
            ("a inf\n", "line 1: a inf: value `inf`"),
            ("a\n", "line 1: a: a name and nothing else"),
        ] {
            assert_eq!(error(text), why);
        }
    }

    #[test]
    fn refuses_a_histogram_whose_buckets_disagree_with_its_count() {
        let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n";
        let page = Exposition::parse(text).unwrap();
        assert_eq!(page.histogram("h", &[]).unwrap_err().to_string(), "h: the buckets are not cumulative");
    }
}
