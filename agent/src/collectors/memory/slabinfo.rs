//! `/proc/slabinfo`: see slabinfo(5). Read by hand: the procfs crate does not.

use crate::collectors::prelude::*;

metrics! {
    |it: [u64; 5]| ["slab"];
    Gauge "node_slabinfo_active_objects" = it[0], "Objects of the cache that are in use.";
    Gauge "node_slabinfo_object_size_bytes" = it[2], "Size of an object, in bytes.";
    Gauge "node_slabinfo_objects" = it[1], "Objects of the cache, in use or not.";
    Gauge "node_slabinfo_objects_per_slab" = it[3], "Objects that one slab holds.";
    Gauge "node_slabinfo_pages_per_slab" = it[4], "Pages that one slab takes.";
}

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
        Ok(self.file.parse_lines("a name and 15 words, five numbers first", |_, line| {
            if line.starts_with(b"slabinfo - ") || line.starts_with(b"# name") {
                return Some(());
            }
            let words: [&[u8]; 16] = source::words(line).collect::<Vec<_>>().try_into().ok()?;
            let mut sizes = [0; 5];
            for (size, word) in sizes.iter_mut().zip(&words[1..]) {
                *size = source::number(word)?;
            }
            if self.slabs.keeps(words[0]) {
                push_rows(sizes, [words[0]], out);
            }
            Some(())
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn refuses_a_line_that_is_cut() {
        let text = "dentry 704 864 192 42 2 : tunables 0 0 0\n";
        check_error::<Slabinfo>(
            "",
            &[("proc/slabinfo", text)],
            expect!["parse proc/slabinfo, line 1: expected a name and 15 words, five numbers first"],
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
