//! The parts of the page that are made of what collectors say of themselves.

use crate::{collector::View, scrape::Summary};

pub(super) type Collector = (View, Option<Summary>);

/// A page in the making.
#[derive(Default)]
pub(super) struct Html(pub(super) String);

impl Html {
    /// Appends what is HTML.
    pub(super) fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Appends what is text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                c => self.0.push(c),
            }
        }
        self
    }
}

/// The search, which the script shows.
pub(super) fn search(out: &mut Html) {
    out.raw(
        "<section id=\"find\" hidden><h2>Find a metric</h2><p><input id=\"query\" type=\"search\" \
         autocomplete=\"off\" spellcheck=\"false\" aria-label=\"Name of a metric, or words of its help\" \
         placeholder=\"A name, or words: disk bytes\"> <kbd>/</kbd></p>\
         <p id=\"count\" role=\"status\"></p><div id=\"found\"></div></section>\n",
    );
}

/// Every collector: those that are enabled in a table, the others by name.
pub(super) fn collectors(all: &[Collector], out: &mut Html) {
    let enabled = || all.iter().filter_map(|(view, summary)| Some((view, summary.as_ref()?)));
    out.raw("<section id=\"collectors\"><h2>Collectors</h2><table><caption>").text(&counts(all));
    out.raw(
        "</caption><thead><tr><th scope=\"col\">Collector<th scope=\"col\">State<th scope=\"col\" class=\"n\">Series\
         <th scope=\"col\" class=\"n\">Milliseconds<th scope=\"col\">What it shows</thead><tbody>\n",
    );
    for (view, it) in enabled() {
        let state = it.state.as_str();
        out.raw("<tr class=\"").raw(state).raw("\"><th scope=\"row\">").raw(view.name).raw("<td>");
        out.raw(it.state.words());
        match it.started {
            None => out.raw("<td class=\"n\">–<td class=\"n\">–"),
            Some(_) => {
                let milliseconds = format!("{:.2}", it.duration.as_secs_f64() * 1e3);
                out.raw("<td class=\"n\">").raw(&it.n_series.to_string());
                out.raw("<td class=\"n\">").raw(&milliseconds)
            }
        };
        out.raw("<td>").text(view.summary);
        if !it.state.reason().is_empty() {
            out.raw(" <span>").text(it.state.reason()).raw("</span>");
        }
        out.raw("\n");
    }
    out.raw(
        "</tbody></table><details><summary>Collectors that are not enabled</summary><p>Switch one on with ",
    );
    out.raw("<code>[collector.&lt;name&gt;] enabled = true</code>, or <code>--collector.&lt;name&gt;</code>.</p><dl>\n");
    for (view, _) in all.iter().filter(|(_, summary)| summary.is_none()) {
        out.raw("<dt>").raw(view.name).raw("<dd>").text(view.summary).raw("\n");
    }
    out.raw("</dl></details></section>\n");
}

/// How many of them are in which state.
fn counts(all: &[Collector]) -> String {
    let state = |it: &Collector| it.1.as_ref().map_or("not enabled", |it| it.state.words());
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for it in all {
        match counts.iter_mut().find(|(name, _)| *name == state(it)) {
            Some((_, n)) => *n += 1,
            None => counts.push((state(it), 1)),
        }
    }
    counts.sort_by_key(|(_, n)| usize::MAX - n);
    let words: Vec<String> = counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
    words.join(", ")
}
