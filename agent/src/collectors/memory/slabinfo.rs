//! `/proc/slabinfo`: see slabinfo(5). Read by hand: the procfs crate does not.

use crate::collectors::prelude::*;
use std::collections::BTreeMap;

metrics! {
    |it: [Option<u64>; 5]| ["slab"];
    Gauge "node_slabinfo_active_objects" = it[0], "Objects of the cache that are in use.";
    Gauge "node_slabinfo_object_size_bytes" = it[2], "Size of an object, in bytes.";
    Gauge "node_slabinfo_objects" = it[1], "Objects of the cache, in use or not.";
    Gauge "node_slabinfo_objects_per_slab" = it[3], "Objects that one slab holds.";
    Gauge "node_slabinfo_pages_per_slab" = it[4], "Pages that one slab takes.";
}

/// What is shown, as the file's second line names it, in the order of version 2.
const COLUMNS: [&str; 5] = ["<active_objs>", "<num_objs>", "<objsize>", "<objperslab>", "<pagesperslab>"];

/// The objects in use and all of them, in `COLUMNS`.
const ACTIVE: usize = 0;
const ALL: usize = 1;

section! {
    pub(super) struct Config {
        /// Regex over the caches to show.
        slabs_include: Option<Pattern> = ".*",
        /// Regex over the caches to leave out.
        slabs_exclude: Option<Pattern> = "",
    }
}

pub(super) struct Slabinfo {
    file: File,
    slabs: Filter,
}

impl Spec for Slabinfo {
    const SUMMARY: &'static str = "Object caches of the kernel, from /proc/slabinfo.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let mut file = host.proc("slabinfo");
        // It is root's to open, and privileges are dropped soon. What goes wrong does so again at a scrape.
        file.read().map(drop).ok();
        Ok(Self { file, slabs: Filter::new(config.slabs_include, config.slabs_exclude) })
    }
}

impl Collector for Slabinfo {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { file, slabs } = self;
        let mut columns = COLUMNS.map(|it| it.as_bytes().to_vec()).to_vec();
        // A driver may give all of its caches one name: their objects are added up.
        let mut caches = BTreeMap::<Vec<u8>, [Option<u64>; 5]>::new();
        let parsed = file.parse_lines("the name of a cache and its numbers", |_, line| {
            if line.starts_with(b"slabinfo - ") {
                return Some(());
            }
            // What follows a colon is of no use here.
            let line = line.split(|&byte| byte == b':').next()?;
            if let Some(names) = line.strip_prefix(b"# name") {
                columns = source::words(names).map(<[u8]>::to_vec).collect();
                return Some(());
            }
            // A name may have blanks, though the kernel warns of those: the numbers are what stands last.
            let words: Vec<_> = source::words(line).collect();
            let n_before = words.len().checked_sub(columns.len()).filter(|n| *n > 0)?;
            let name = words[..n_before].join(&b' ');
            let numbers: Vec<_> = words[n_before..].iter().map(|it| source::count(it)).collect();
            let mut sizes = [None; 5];
            let mut is_whole = true;
            for (size, column) in sizes.iter_mut().zip(COLUMNS) {
                let Some(at) = columns.iter().position(|it| it == column.as_bytes()) else { continue };
                let count = *numbers.get(at)?;
                is_whole &= count.is_some();
                *size = count.flatten();
            }
            if slabs.keeps(&name) {
                match caches.get_mut(&name) {
                    Some(known) => {
                        for it in [ACTIVE, ALL] {
                            known[it] = known[it].zip(sizes[it]).map(|(a, b)| a.wrapping_add(b));
                        }
                    }
                    None => drop(caches.insert(name, sizes)),
                }
            }
            is_whole.then_some(())
        });
        for (name, sizes) in &caches {
            push_rows(*sizes, [name], out);
        }
        Ok(parsed?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, costs};

    const TEXT: &str = "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\nkmalloc-8k           131    148   8192    4    8 : tunables    0    0    0 : slabdata     37     37      0\ndentry            704    864    192   42    2 : tunables    0    0    0 : slabdata     27     27      0\n";

    #[test]
    fn reads_each_cache() {
        check::<Slabinfo>(
            "",
            &[("proc/slabinfo", TEXT)],
            expect![[r##"
            # HELP node_slabinfo_active_objects Objects of the cache that are in use.
            # TYPE node_slabinfo_active_objects gauge
            node_slabinfo_active_objects{slab="dentry"} 704
            node_slabinfo_active_objects{slab="kmalloc-8k"} 131
            # HELP node_slabinfo_object_size_bytes Size of an object, in bytes.
            # TYPE node_slabinfo_object_size_bytes gauge
            node_slabinfo_object_size_bytes{slab="dentry"} 192
            node_slabinfo_object_size_bytes{slab="kmalloc-8k"} 8192
            # HELP node_slabinfo_objects Objects of the cache, in use or not.
            # TYPE node_slabinfo_objects gauge
            node_slabinfo_objects{slab="dentry"} 864
            node_slabinfo_objects{slab="kmalloc-8k"} 148
            # HELP node_slabinfo_objects_per_slab Objects that one slab holds.
            # TYPE node_slabinfo_objects_per_slab gauge
            node_slabinfo_objects_per_slab{slab="dentry"} 42
            node_slabinfo_objects_per_slab{slab="kmalloc-8k"} 4
            # HELP node_slabinfo_pages_per_slab Pages that one slab takes.
            # TYPE node_slabinfo_pages_per_slab gauge
            node_slabinfo_pages_per_slab{slab="dentry"} 2
            node_slabinfo_pages_per_slab{slab="kmalloc-8k"} 8
        "##]],
        );
    }

    #[test]
    fn leaves_out_what_is_not_wanted() {
        let section = "slabs_include = \"^(kmalloc|dentry)\"\nslabs_exclude = \"8k$\"";
        check::<Slabinfo>(
            section,
            &[("proc/slabinfo", TEXT)],
            expect![[r##"
            # HELP node_slabinfo_active_objects Objects of the cache that are in use.
            # TYPE node_slabinfo_active_objects gauge
            node_slabinfo_active_objects{slab="dentry"} 704
            # HELP node_slabinfo_object_size_bytes Size of an object, in bytes.
            # TYPE node_slabinfo_object_size_bytes gauge
            node_slabinfo_object_size_bytes{slab="dentry"} 192
            # HELP node_slabinfo_objects Objects of the cache, in use or not.
            # TYPE node_slabinfo_objects gauge
            node_slabinfo_objects{slab="dentry"} 864
            # HELP node_slabinfo_objects_per_slab Objects that one slab holds.
            # TYPE node_slabinfo_objects_per_slab gauge
            node_slabinfo_objects_per_slab{slab="dentry"} 42
            # HELP node_slabinfo_pages_per_slab Pages that one slab takes.
            # TYPE node_slabinfo_pages_per_slab gauge
            node_slabinfo_pages_per_slab{slab="dentry"} 2
        "##]],
        );
    }

    #[test]
    fn a_name_may_have_blanks() {
        let host = TestHost::new(&[("proc/slabinfo", "bridge fdb 640 700 64 32 2 : tunables\n")]);
        let mut out = Families::new(METRICS);
        host.open::<Slabinfo>("").unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        for line in ["active_objects{slab=\"bridge fdb\"} 640", "objects{slab=\"bridge fdb\"} 700"] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(text.lines().filter(|it| !it.starts_with('#')).count(), 5, "{text}");
    }

    #[test]
    fn a_line_that_is_cut_costs_itself_and_caches_of_one_name_are_added_up() {
        let text = "kmalloc-8k 131 148\nftes 44 45 736 44 8 : tunables\nftes 396 397 736 44 8 : tunables\n";
        check_error::<Slabinfo>(
            "",
            &[("proc/slabinfo", text)],
            expect![[r##"
                # HELP node_slabinfo_active_objects Objects of the cache that are in use.
                # TYPE node_slabinfo_active_objects gauge
                node_slabinfo_active_objects{slab="ftes"} 440
                # HELP node_slabinfo_object_size_bytes Size of an object, in bytes.
                # TYPE node_slabinfo_object_size_bytes gauge
                node_slabinfo_object_size_bytes{slab="ftes"} 736
                # HELP node_slabinfo_objects Objects of the cache, in use or not.
                # TYPE node_slabinfo_objects gauge
                node_slabinfo_objects{slab="ftes"} 442
                # HELP node_slabinfo_objects_per_slab Objects that one slab holds.
                # TYPE node_slabinfo_objects_per_slab gauge
                node_slabinfo_objects_per_slab{slab="ftes"} 44
                # HELP node_slabinfo_pages_per_slab Pages that one slab takes.
                # TYPE node_slabinfo_pages_per_slab gauge
                node_slabinfo_pages_per_slab{slab="ftes"} 8
                parse proc/slabinfo, line 1: expected the name of a cache and its numbers"##]],
        );
    }

    #[test]
    fn a_word_that_is_no_count_costs_one_value() {
        for (word, is_fine) in [("-9", true), ("x", false)] {
            let lost = "node_slabinfo_objects{slab=\"dentry\"} 864";
            let slabs = ("proc/slabinfo", TEXT);
            assert_eq!(costs::<Slabinfo>("", slabs, ("864", word), lost), is_fine, "{word}");
        }
    }

    #[test]
    fn takes_the_columns_from_their_names() {
        let text = "slabinfo - version: 3.0\n# name <objsize> <new> <active_objs> <pagesperslab>\n\
            dentry 192 5 704 2\n";
        check::<Slabinfo>(
            "",
            &[("proc/slabinfo", text)],
            expect![[r##"
            # HELP node_slabinfo_active_objects Objects of the cache that are in use.
            # TYPE node_slabinfo_active_objects gauge
            node_slabinfo_active_objects{slab="dentry"} 704
            # HELP node_slabinfo_object_size_bytes Size of an object, in bytes.
            # TYPE node_slabinfo_object_size_bytes gauge
            node_slabinfo_object_size_bytes{slab="dentry"} 192
            # HELP node_slabinfo_pages_per_slab Pages that one slab takes.
            # TYPE node_slabinfo_pages_per_slab gauge
            node_slabinfo_pages_per_slab{slab="dentry"} 2
        "##]],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Slabinfo>(
            "",
            &[],
            expect!["read proc/slabinfo: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Slabinfo>("", &[("proc/slabinfo", TEXT)]);
    }
}
