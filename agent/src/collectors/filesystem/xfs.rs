//! `/sys/fs/xfs/<device>/stats/stats`: the counts that `/proc/fs/xfs/stat` has for all file systems together, for each.
//! They are described in https://xfs.org/index.php/Runtime_Stats; each is a number of 32 bits that wraps.

use crate::collectors::prelude::*;
use std::{ops::RangeInclusive, path::PathBuf};

metrics! {
    |it: &Counts| ["device"];
    Counter "node_xfs_extent_allocation_extents_allocated_total" = it.0[0][0], "Extents allocated.";
    Counter "node_xfs_extent_allocation_blocks_allocated_total" = it.0[0][1], "Blocks allocated.";
    Counter "node_xfs_extent_allocation_extents_freed_total" = it.0[0][2], "Extents freed.";
    Counter "node_xfs_extent_allocation_blocks_freed_total" = it.0[0][3], "Blocks freed.";
    Counter "node_xfs_allocation_btree_lookups_total" = it.0[1][0], "Lookups in the trees of free space.";
    Counter "node_xfs_allocation_btree_compares_total" = it.0[1][1], "Comparisons in the trees of free space.";
    Counter "node_xfs_allocation_btree_records_inserted_total" = it.0[1][2], "Records inserted into the trees of free space.";
    Counter "node_xfs_allocation_btree_records_deleted_total" = it.0[1][3], "Records deleted from the trees of free space.";
    Counter "node_xfs_block_mapping_reads_total" = it.0[2][0], "Lookups of a file's blocks for reading.";
    Counter "node_xfs_block_mapping_writes_total" = it.0[2][1], "Lookups of a file's blocks for writing.";
    Counter "node_xfs_block_mapping_unmaps_total" = it.0[2][2], "Deletions of a file's blocks.";
    Counter "node_xfs_block_mapping_extent_list_insertions_total" = it.0[2][3], "Insertions into the extent lists of files.";
    Counter "node_xfs_block_mapping_extent_list_deletions_total" = it.0[2][4], "Deletions from the extent lists of files.";
    Counter "node_xfs_block_mapping_extent_list_lookups_total" = it.0[2][5], "Lookups in the extent lists of files.";
    Counter "node_xfs_block_mapping_extent_list_compares_total" = it.0[2][6], "Comparisons in the extent lists of files.";
    Counter "node_xfs_block_map_btree_lookups_total" = it.0[3][0], "Lookups in the block map trees of files.";
    Counter "node_xfs_block_map_btree_compares_total" = it.0[3][1], "Comparisons in the block map trees of files.";
    Counter "node_xfs_block_map_btree_records_inserted_total" = it.0[3][2], "Records inserted into the block map trees of files.";
    Counter "node_xfs_block_map_btree_records_deleted_total" = it.0[3][3], "Records deleted from the block map trees of files.";
    Counter "node_xfs_directory_operation_lookup_total" = it.0[4][0], "Names looked up in directories that missed the cache.";
    Counter "node_xfs_directory_operation_create_total" = it.0[4][1], "Directory entries created.";
    Counter "node_xfs_directory_operation_remove_total" = it.0[4][2], "Directory entries removed.";
    Counter "node_xfs_directory_operation_getdents_total" = it.0[4][3], "Directory listings read.";
    Counter "node_xfs_inode_operation_attempts_total" = it.0[5][0], "Lookups in the inode cache.";
    Counter "node_xfs_inode_operation_found_total" = it.0[5][1], "Lookups in the inode cache that found the inode.";
    Counter "node_xfs_inode_operation_recycled_total" = it.0[5][2], "Inodes found that were about to be recycled.";
    Counter "node_xfs_inode_operation_missed_total" = it.0[5][3], "Lookups in the inode cache that missed.";
    Counter "node_xfs_inode_operation_duplicates_total" = it.0[5][4], "Inodes that were in the cache already when they were to be added.";
    Counter "node_xfs_inode_operation_reclaims_total" = it.0[5][5], "Inodes recycled from the cache.";
    Counter "node_xfs_inode_operation_attribute_changes_total" = it.0[5][6], "Changes of inode attributes.";
    Counter "node_xfs_write_calls_total" = it.0[6][0], "Calls that write to files.";
    Counter "node_xfs_read_calls_total" = it.0[6][1], "Calls that read from files.";
    Counter "node_xfs_vnode_active_total" = it.0[7][0], "Vnodes not on a free list; it may fall.";
    Counter "node_xfs_vnode_allocate_total" = it.0[7][1], "Vnodes allocated.";
    Counter "node_xfs_vnode_get_total" = it.0[7][2], "References taken to vnodes of the cache.";
    Counter "node_xfs_vnode_hold_total" = it.0[7][3], "References added to vnodes in use.";
    Counter "node_xfs_vnode_release_total" = it.0[7][4], "References given back to vnodes.";
    Counter "node_xfs_vnode_reclaim_total" = it.0[7][5], "Vnodes reclaimed.";
    Counter "node_xfs_vnode_remove_total" = it.0[7][6], "Vnodes removed.";
}

/// The first word of each line that is shown, and how many numbers follow at least and at most.
const LINES: [(&str, usize, usize); 8] = [
    ("extent_alloc", 4, 4),
    ("abt", 4, 4),
    ("blk_map", 7, 7),
    ("bmbt", 4, 4),
    ("dir", 4, 4),
    ("ig", 7, 7),
    ("rw", 2, 2),
    ("vnodes", 7, 8),
];

/// The numbers of each of `LINES`; none where the kernel has no such line.
#[derive(Default)]
struct Counts([[Option<u32>; 8]; LINES.len()]);

pub(super) struct Xfs {
    root: PathBuf,
    /// What the folder held when `files` was made.
    names: Vec<String>,
    files: Vec<(String, File)>,
}

impl Spec for Xfs {
    const SUMMARY: &'static str = "What XFS file systems did, from /sys/fs/xfs.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { root: host.sys("fs/xfs"), names: Vec::new(), files: Vec::new() })
    }
}

impl Collector for Xfs {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(folder) = Folder::open(&self.root)? else { return Ok(()) };
        let mut names = folder.names()?;
        // These are of no file system.
        names.retain(|it| !matches!(&**it, "debug" | "stats"));
        if names != self.names {
            let file = |name: &String| (name.clone(), File::new(self.root.join(name).join("stats/stats")));
            self.files = names.iter().map(file).collect();
            self.names = names;
        }
        let mut outcome = Ok(());
        for (device, file) in &mut self.files {
            let read = match file.read_if_present() {
                Ok(None) => Ok(()),
                Ok(Some(text)) => {
                    let (counts, wrong) = parse(text);
                    push_rows(&counts, [&*device], out);
                    wrong
                        .map_or(Ok(()), |line| Err(file.parse_error(line, "expected a word and its numbers")))
                }
                Err(error) => error.unless_no_value(),
            };
            outcome = outcome.and(read);
        }
        Ok(outcome?)
    }
}

/// And the number of the first line that is not as documented, of which what is wrong is left out.
fn parse(text: &[u8]) -> (Counts, Option<usize>) {
    let mut counts = Counts::default();
    let mut wrong = None;
    for (number, line) in source::lines(text) {
        let mut words = source::words(line);
        let label = words.next();
        let known = LINES.iter().zip(&mut counts.0).find(|((name, ..), _)| label == Some(name.as_bytes()));
        let Some(((_, at_least, at_most), columns)) = known else { continue };
        match parse_columns(words, *at_least..=*at_most) {
            Some((numbers, is_whole)) => {
                *columns = numbers;
                if !is_whole {
                    wrong = wrong.or(Some(number));
                }
            }
            None => wrong = wrong.or(Some(number)),
        }
    }
    (counts, wrong)
}

/// The columns, and whether each of them is a number. `None` when there are too few or too many.
fn parse_columns<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    n_expected: RangeInclusive<usize>,
) -> Option<([Option<u32>; 8], bool)> {
    let mut columns = [None; 8];
    let mut n_words = 0;
    for word in words {
        *columns.get_mut(n_words)? = source::number(word);
        n_words += 1;
    }
    let is_whole = columns[..n_words].iter().all(Option::is_some);
    n_expected.contains(&n_words).then_some((columns, is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = "extent_alloc 1 872 3 4\nabt 5 6 7 8\nblk_map 61 29 1 2 3 91 9\nbmbt 10 11 12 13\ndir 3 2 1 52\ntrans 4 40 0\nig 5 1 2 4 3 6 7\nrw 28 14\nvnodes 4294967295 20 21 22 23 24 25 0\nxpc 3571712 3568056 8192\n";

    #[test]
    fn shows_the_counts_of_each_file_system() {
        check::<Xfs>(
            "",
            &[
                ("sys/fs/xfs/sda1/stats/stats", STATS),
                ("sys/fs/xfs/stats/stats", STATS),
                ("sys/fs/xfs/debug/", ""),
            ],
            expect![[r##"
                # HELP node_xfs_allocation_btree_compares_total Comparisons in the trees of free space.
                # TYPE node_xfs_allocation_btree_compares_total counter
                node_xfs_allocation_btree_compares_total{device="sda1"} 6
                # HELP node_xfs_allocation_btree_lookups_total Lookups in the trees of free space.
                # TYPE node_xfs_allocation_btree_lookups_total counter
                node_xfs_allocation_btree_lookups_total{device="sda1"} 5
                # HELP node_xfs_allocation_btree_records_deleted_total Records deleted from the trees of free space.
                # TYPE node_xfs_allocation_btree_records_deleted_total counter
                node_xfs_allocation_btree_records_deleted_total{device="sda1"} 8
                # HELP node_xfs_allocation_btree_records_inserted_total Records inserted into the trees of free space.
                # TYPE node_xfs_allocation_btree_records_inserted_total counter
                node_xfs_allocation_btree_records_inserted_total{device="sda1"} 7
                # HELP node_xfs_block_map_btree_compares_total Comparisons in the block map trees of files.
                # TYPE node_xfs_block_map_btree_compares_total counter
                node_xfs_block_map_btree_compares_total{device="sda1"} 11
                # HELP node_xfs_block_map_btree_lookups_total Lookups in the block map trees of files.
                # TYPE node_xfs_block_map_btree_lookups_total counter
                node_xfs_block_map_btree_lookups_total{device="sda1"} 10
                # HELP node_xfs_block_map_btree_records_deleted_total Records deleted from the block map trees of files.
                # TYPE node_xfs_block_map_btree_records_deleted_total counter
                node_xfs_block_map_btree_records_deleted_total{device="sda1"} 13
                # HELP node_xfs_block_map_btree_records_inserted_total Records inserted into the block map trees of files.
                # TYPE node_xfs_block_map_btree_records_inserted_total counter
                node_xfs_block_map_btree_records_inserted_total{device="sda1"} 12
                # HELP node_xfs_block_mapping_extent_list_compares_total Comparisons in the extent lists of files.
                # TYPE node_xfs_block_mapping_extent_list_compares_total counter
                node_xfs_block_mapping_extent_list_compares_total{device="sda1"} 9
                # HELP node_xfs_block_mapping_extent_list_deletions_total Deletions from the extent lists of files.
                # TYPE node_xfs_block_mapping_extent_list_deletions_total counter
                node_xfs_block_mapping_extent_list_deletions_total{device="sda1"} 3
                # HELP node_xfs_block_mapping_extent_list_insertions_total Insertions into the extent lists of files.
                # TYPE node_xfs_block_mapping_extent_list_insertions_total counter
                node_xfs_block_mapping_extent_list_insertions_total{device="sda1"} 2
                # HELP node_xfs_block_mapping_extent_list_lookups_total Lookups in the extent lists of files.
                # TYPE node_xfs_block_mapping_extent_list_lookups_total counter
                node_xfs_block_mapping_extent_list_lookups_total{device="sda1"} 91
                # HELP node_xfs_block_mapping_reads_total Lookups of a file's blocks for reading.
                # TYPE node_xfs_block_mapping_reads_total counter
                node_xfs_block_mapping_reads_total{device="sda1"} 61
                # HELP node_xfs_block_mapping_unmaps_total Deletions of a file's blocks.
                # TYPE node_xfs_block_mapping_unmaps_total counter
                node_xfs_block_mapping_unmaps_total{device="sda1"} 1
                # HELP node_xfs_block_mapping_writes_total Lookups of a file's blocks for writing.
                # TYPE node_xfs_block_mapping_writes_total counter
                node_xfs_block_mapping_writes_total{device="sda1"} 29
                # HELP node_xfs_directory_operation_create_total Directory entries created.
                # TYPE node_xfs_directory_operation_create_total counter
                node_xfs_directory_operation_create_total{device="sda1"} 2
                # HELP node_xfs_directory_operation_getdents_total Directory listings read.
                # TYPE node_xfs_directory_operation_getdents_total counter
                node_xfs_directory_operation_getdents_total{device="sda1"} 52
                # HELP node_xfs_directory_operation_lookup_total Names looked up in directories that missed the cache.
                # TYPE node_xfs_directory_operation_lookup_total counter
                node_xfs_directory_operation_lookup_total{device="sda1"} 3
                # HELP node_xfs_directory_operation_remove_total Directory entries removed.
                # TYPE node_xfs_directory_operation_remove_total counter
                node_xfs_directory_operation_remove_total{device="sda1"} 1
                # HELP node_xfs_extent_allocation_blocks_allocated_total Blocks allocated.
                # TYPE node_xfs_extent_allocation_blocks_allocated_total counter
                node_xfs_extent_allocation_blocks_allocated_total{device="sda1"} 872
                # HELP node_xfs_extent_allocation_blocks_freed_total Blocks freed.
                # TYPE node_xfs_extent_allocation_blocks_freed_total counter
                node_xfs_extent_allocation_blocks_freed_total{device="sda1"} 4
                # HELP node_xfs_extent_allocation_extents_allocated_total Extents allocated.
                # TYPE node_xfs_extent_allocation_extents_allocated_total counter
                node_xfs_extent_allocation_extents_allocated_total{device="sda1"} 1
                # HELP node_xfs_extent_allocation_extents_freed_total Extents freed.
                # TYPE node_xfs_extent_allocation_extents_freed_total counter
                node_xfs_extent_allocation_extents_freed_total{device="sda1"} 3
                # HELP node_xfs_inode_operation_attempts_total Lookups in the inode cache.
                # TYPE node_xfs_inode_operation_attempts_total counter
                node_xfs_inode_operation_attempts_total{device="sda1"} 5
                # HELP node_xfs_inode_operation_attribute_changes_total Changes of inode attributes.
                # TYPE node_xfs_inode_operation_attribute_changes_total counter
                node_xfs_inode_operation_attribute_changes_total{device="sda1"} 7
                # HELP node_xfs_inode_operation_duplicates_total Inodes that were in the cache already when they were to be added.
                # TYPE node_xfs_inode_operation_duplicates_total counter
                node_xfs_inode_operation_duplicates_total{device="sda1"} 3
                # HELP node_xfs_inode_operation_found_total Lookups in the inode cache that found the inode.
                # TYPE node_xfs_inode_operation_found_total counter
                node_xfs_inode_operation_found_total{device="sda1"} 1
                # HELP node_xfs_inode_operation_missed_total Lookups in the inode cache that missed.
                # TYPE node_xfs_inode_operation_missed_total counter
                node_xfs_inode_operation_missed_total{device="sda1"} 4
                # HELP node_xfs_inode_operation_reclaims_total Inodes recycled from the cache.
                # TYPE node_xfs_inode_operation_reclaims_total counter
                node_xfs_inode_operation_reclaims_total{device="sda1"} 6
                # HELP node_xfs_inode_operation_recycled_total Inodes found that were about to be recycled.
                # TYPE node_xfs_inode_operation_recycled_total counter
                node_xfs_inode_operation_recycled_total{device="sda1"} 2
                # HELP node_xfs_read_calls_total Calls that read from files.
                # TYPE node_xfs_read_calls_total counter
                node_xfs_read_calls_total{device="sda1"} 14
                # HELP node_xfs_vnode_active_total Vnodes not on a free list; it may fall.
                # TYPE node_xfs_vnode_active_total counter
                node_xfs_vnode_active_total{device="sda1"} 4.294967295e+09
                # HELP node_xfs_vnode_allocate_total Vnodes allocated.
                # TYPE node_xfs_vnode_allocate_total counter
                node_xfs_vnode_allocate_total{device="sda1"} 20
                # HELP node_xfs_vnode_get_total References taken to vnodes of the cache.
                # TYPE node_xfs_vnode_get_total counter
                node_xfs_vnode_get_total{device="sda1"} 21
                # HELP node_xfs_vnode_hold_total References added to vnodes in use.
                # TYPE node_xfs_vnode_hold_total counter
                node_xfs_vnode_hold_total{device="sda1"} 22
                # HELP node_xfs_vnode_reclaim_total Vnodes reclaimed.
                # TYPE node_xfs_vnode_reclaim_total counter
                node_xfs_vnode_reclaim_total{device="sda1"} 24
                # HELP node_xfs_vnode_release_total References given back to vnodes.
                # TYPE node_xfs_vnode_release_total counter
                node_xfs_vnode_release_total{device="sda1"} 23
                # HELP node_xfs_vnode_remove_total Vnodes removed.
                # TYPE node_xfs_vnode_remove_total counter
                node_xfs_vnode_remove_total{device="sda1"} 25
                # HELP node_xfs_write_calls_total Calls that write to files.
                # TYPE node_xfs_write_calls_total counter
                node_xfs_write_calls_total{device="sda1"} 28
            "##]],
        );
    }

    #[test]
    fn takes_the_older_line_without_the_eighth_number() {
        check::<Xfs>(
            "",
            &[("sys/fs/xfs/sda1/stats/stats", "vnodes 4 1 2 3 5 6 7\n")],
            expect![[r##"
                # HELP node_xfs_vnode_active_total Vnodes not on a free list; it may fall.
                # TYPE node_xfs_vnode_active_total counter
                node_xfs_vnode_active_total{device="sda1"} 4
                # HELP node_xfs_vnode_allocate_total Vnodes allocated.
                # TYPE node_xfs_vnode_allocate_total counter
                node_xfs_vnode_allocate_total{device="sda1"} 1
                # HELP node_xfs_vnode_get_total References taken to vnodes of the cache.
                # TYPE node_xfs_vnode_get_total counter
                node_xfs_vnode_get_total{device="sda1"} 2
                # HELP node_xfs_vnode_hold_total References added to vnodes in use.
                # TYPE node_xfs_vnode_hold_total counter
                node_xfs_vnode_hold_total{device="sda1"} 3
                # HELP node_xfs_vnode_reclaim_total Vnodes reclaimed.
                # TYPE node_xfs_vnode_reclaim_total counter
                node_xfs_vnode_reclaim_total{device="sda1"} 6
                # HELP node_xfs_vnode_release_total References given back to vnodes.
                # TYPE node_xfs_vnode_release_total counter
                node_xfs_vnode_release_total{device="sda1"} 5
                # HELP node_xfs_vnode_remove_total Vnodes removed.
                # TYPE node_xfs_vnode_remove_total counter
                node_xfs_vnode_remove_total{device="sda1"} 7
            "##]],
        );
    }

    #[test]
    fn a_host_without_xfs_gives_no_samples() {
        check::<Xfs>("", &[], expect![""]);
    }

    #[test]
    fn refuses_lines_with_other_numbers() {
        check_error::<Xfs>(
            "",
            &[("sys/fs/xfs/sda1/stats/stats", "abt 0 0 0 0\nrw 1\n")],
            expect![[r##"
                # HELP node_xfs_allocation_btree_compares_total Comparisons in the trees of free space.
                # TYPE node_xfs_allocation_btree_compares_total counter
                node_xfs_allocation_btree_compares_total{device="sda1"} 0
                # HELP node_xfs_allocation_btree_lookups_total Lookups in the trees of free space.
                # TYPE node_xfs_allocation_btree_lookups_total counter
                node_xfs_allocation_btree_lookups_total{device="sda1"} 0
                # HELP node_xfs_allocation_btree_records_deleted_total Records deleted from the trees of free space.
                # TYPE node_xfs_allocation_btree_records_deleted_total counter
                node_xfs_allocation_btree_records_deleted_total{device="sda1"} 0
                # HELP node_xfs_allocation_btree_records_inserted_total Records inserted into the trees of free space.
                # TYPE node_xfs_allocation_btree_records_inserted_total counter
                node_xfs_allocation_btree_records_inserted_total{device="sda1"} 0
                parse sys/fs/xfs/sda1/stats/stats, line 2: expected a word and its numbers"##]],
        );
        check_error::<Xfs>(
            "",
            &[("sys/fs/xfs/sda1/stats/stats", "rw 1 4294967296\n")],
            expect![[r##"
                # HELP node_xfs_write_calls_total Calls that write to files.
                # TYPE node_xfs_write_calls_total counter
                node_xfs_write_calls_total{device="sda1"} 1
                parse sys/fs/xfs/sda1/stats/stats, line 1: expected a word and its numbers"##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Xfs>("", &[("sys/fs/xfs/sda1/stats/stats", STATS)]);
    }
}
