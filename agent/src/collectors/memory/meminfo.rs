//! `/proc/meminfo`: see proc_meminfo(5). The file's kB are KiB; we push bytes.
//! Read by hand: the procfs crate refuses the whole file when one of its fields is missing.

use crate::collectors::prelude::*;

metrics! {
    |it: &Fields<'_>| [];
    Gauge "node_memory_Active_anon_bytes" = it.bytes("Active(anon)"), "Anonymous memory that was used recently.";
    Gauge "node_memory_Active_bytes" = it.bytes("Active"), "Memory that was used recently and is rarely reclaimed.";
    Gauge "node_memory_Active_file_bytes" = it.bytes("Active(file)"), "Page cache that was used recently.";
    Gauge "node_memory_AnonHugePages_bytes" = it.bytes("AnonHugePages"), "Anonymous memory in transparent huge pages.";
    Gauge "node_memory_AnonPages_bytes" = it.bytes("AnonPages"), "Anonymous memory mapped by processes.";
    Gauge "node_memory_Bounce_bytes" = it.bytes("Bounce"), "Bounce buffers of block devices.";
    Gauge "node_memory_Buffers_bytes" = it.bytes("Buffers"), "Page cache of raw block devices.";
    Gauge "node_memory_Cached_bytes" = it.bytes("Cached"), "Page cache of files, shared memory included.";
    Gauge "node_memory_CmaFree_bytes" = it.bytes("CmaFree"), "Free memory of the contiguous memory allocator.";
    Gauge "node_memory_CmaTotal_bytes" = it.bytes("CmaTotal"), "Memory of the contiguous memory allocator.";
    Gauge "node_memory_CommitLimit_bytes" = it.bytes("CommitLimit"), "Memory that may be committed under strict overcommit.";
    Gauge "node_memory_Committed_AS_bytes" = it.bytes("Committed_AS"), "Memory that processes were promised, used or not.";
    Gauge "node_memory_DirectMap1G_bytes" = it.bytes("DirectMap1G"), "Memory that the kernel maps in pages of 1 GiB.";
    Gauge "node_memory_DirectMap2M_bytes" = it.bytes("DirectMap2M"), "Memory that the kernel maps in pages of 2 MiB.";
    Gauge "node_memory_DirectMap4k_bytes" = it.bytes("DirectMap4k"), "Memory that the kernel maps in pages of 4 KiB.";
    Gauge "node_memory_Dirty_bytes" = it.bytes("Dirty"), "Memory waiting to be written back to disk.";
    Gauge "node_memory_HardwareCorrupted_bytes" = it.bytes("HardwareCorrupted"), "Memory with errors that the kernel no longer uses.";
    Gauge "node_memory_HugePages_Free" = it.count("HugePages_Free"), "Huge pages in the pool that are not used.";
    Gauge "node_memory_HugePages_Rsvd" = it.count("HugePages_Rsvd"), "Huge pages promised and not yet used.";
    Gauge "node_memory_HugePages_Surp" = it.count("HugePages_Surp"), "Huge pages above the size of the pool.";
    Gauge "node_memory_HugePages_Total" = it.count("HugePages_Total"), "Huge pages in the pool.";
    Gauge "node_memory_Hugepagesize_bytes" = it.bytes("Hugepagesize"), "Size of a huge page.";
    Gauge "node_memory_Inactive_anon_bytes" = it.bytes("Inactive(anon)"), "Anonymous memory that was not used recently.";
    Gauge "node_memory_Inactive_bytes" = it.bytes("Inactive"), "Memory that was not used recently and is reclaimed first.";
    Gauge "node_memory_Inactive_file_bytes" = it.bytes("Inactive(file)"), "Page cache that was not used recently.";
    Gauge "node_memory_KernelStack_bytes" = it.bytes("KernelStack"), "Kernel stacks of all tasks.";
    Gauge "node_memory_Mapped_bytes" = it.bytes("Mapped"), "Files mapped into processes.";
    Gauge "node_memory_MemAvailable_bytes" = it.bytes("MemAvailable"), "Memory that new programs could get without swapping.";
    Gauge "node_memory_MemFree_bytes" = it.bytes("MemFree"), "Memory that is not used at all.";
    Gauge "node_memory_MemTotal_bytes" = it.bytes("MemTotal"), "Usable memory: RAM less the kernel's code and reservations.";
    Gauge "node_memory_Mlocked_bytes" = it.bytes("Mlocked"), "Memory locked by mlock(2).";
    Gauge "node_memory_NFS_Unstable_bytes" = it.bytes("NFS_Unstable"), "NFS pages sent and not yet on stable storage.";
    Gauge "node_memory_PageTables_bytes" = it.bytes("PageTables"), "Page tables of processes.";
    Gauge "node_memory_Percpu_bytes" = it.bytes("Percpu"), "Per-CPU allocations of the kernel.";
    Gauge "node_memory_SReclaimable_bytes" = it.bytes("SReclaimable"), "Slab that can be reclaimed, such as dentries.";
    Gauge "node_memory_SUnreclaim_bytes" = it.bytes("SUnreclaim"), "Slab that cannot be reclaimed.";
    Gauge "node_memory_ShmemHugePages_bytes" = it.bytes("ShmemHugePages"), "Shared memory in transparent huge pages.";
    Gauge "node_memory_ShmemPmdMapped_bytes" = it.bytes("ShmemPmdMapped"), "Shared memory mapped by huge pages.";
    Gauge "node_memory_Shmem_bytes" = it.bytes("Shmem"), "Shared memory and tmpfs.";
    Gauge "node_memory_Slab_bytes" = it.bytes("Slab"), "Memory of the kernel's object caches.";
    Gauge "node_memory_SwapCached_bytes" = it.bytes("SwapCached"), "Memory that is both in RAM and in swap.";
    Gauge "node_memory_SwapFree_bytes" = it.bytes("SwapFree"), "Swap that is not used.";
    Gauge "node_memory_SwapTotal_bytes" = it.bytes("SwapTotal"), "Swap in total.";
    Gauge "node_memory_Unevictable_bytes" = it.bytes("Unevictable"), "Memory that cannot be reclaimed, locked memory included.";
    Gauge "node_memory_VmallocChunk_bytes" = it.bytes("VmallocChunk"), "Largest free block of the vmalloc area; 0 since Linux 4.4.";
    Gauge "node_memory_VmallocTotal_bytes" = it.bytes("VmallocTotal"), "Size of the vmalloc address space.";
    Gauge "node_memory_VmallocUsed_bytes" = it.bytes("VmallocUsed"), "Memory allocated by vmalloc.";
    Gauge "node_memory_WritebackTmp_bytes" = it.bytes("WritebackTmp"), "Temporary buffers of FUSE for writing back.";
    Gauge "node_memory_Writeback_bytes" = it.bytes("Writeback"), "Memory being written back to disk now.";
    Gauge "node_memory_Zswap_bytes" = it.bytes("Zswap"), "Memory that zswap's compressed pages take.";
    Gauge "node_memory_Zswapped_bytes" = it.bytes("Zswapped"), "Memory that zswap has compressed, at its original size.";
}

pub(super) struct Meminfo(File);

impl Spec for Meminfo {
    const SUMMARY: &'static str = "Memory sizes and huge-page counts, from /proc/meminfo.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("meminfo")))
    }
}

impl Collector for Meminfo {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        Ok(self.0.parse("`name: number` or `name: number kB`", |text| {
            let mut fields = Fields(Vec::with_capacity(64));
            let parsed = source::for_each_line(source::lines(text), |_, line| fields.add(line));
            push_rows(&fields, (), out);
            parsed
        })?)
    }
}

/// The lines that are no headings.
struct Fields<'a>(Vec<Field<'a>>);

struct Field<'a> {
    name: &'a [u8],
    number: u64,
    is_kib: bool,
}

impl<'a> Fields<'a> {
    /// A size. Without its unit it is none.
    fn bytes(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|it| it.is_kib && it.name == name.as_bytes())?.number.checked_mul(1024)
    }

    fn count(&self, name: &str) -> Option<u64> {
        Some(self.0.iter().find(|it| !it.is_kib && it.name == name.as_bytes())?.number)
    }

    fn add(&mut self, line: &'a [u8]) -> Option<()> {
        let mut words = source::words(line);
        let [name, number, unit, rest] = std::array::from_fn(|_| words.next());
        let name = name.and_then(|it| it.strip_suffix(b":"));
        let count = number.and_then(source::count).filter(|_| matches!(unit, None | Some(b"kB")));
        let (Some(name), Some(count), None) = (name, count, rest) else {
            return is_heading(line).then_some(());
        };
        self.0.extend(count.map(|number| Field { name, number, is_kib: unit.is_some() }));
        Some(())
    }
}

/// Linux 2.4 has headings above the lines, and rows of several numbers.
fn is_heading(line: &[u8]) -> bool {
    let n_words = |is_such: fn(&&[u8]) -> bool| source::words(line).filter(is_such).count();
    n_words(|word| word.ends_with(b":")) > 1 || n_words(|word| source::count(word).is_some()) > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_sizes_in_bytes_and_counts_as_they_are() {
        check::<Meminfo>(
            "",
            &[(
                "proc/meminfo",
                "MemTotal:        3843512 kB\nActive(anon):   40 kB\nHugePages_Total:       7\nNewInLinux9:  1 kB\n",
            )],
            expect![[r#"
                # HELP node_memory_Active_anon_bytes Anonymous memory that was used recently.
                # TYPE node_memory_Active_anon_bytes gauge
                node_memory_Active_anon_bytes 40960
                # HELP node_memory_HugePages_Total Huge pages in the pool.
                # TYPE node_memory_HugePages_Total gauge
                node_memory_HugePages_Total 7
                # HELP node_memory_MemTotal_bytes Usable memory: RAM less the kernel's code and reservations.
                # TYPE node_memory_MemTotal_bytes gauge
                node_memory_MemTotal_bytes 3.935756288e+09
            "#]],
        );
    }

    #[test]
    fn an_empty_file_gives_no_samples() {
        check::<Meminfo>("", &[("proc/meminfo", "")], expect![""]);
    }

    #[test]
    fn a_unit_it_does_not_know_costs_its_line() {
        check_error::<Meminfo>(
            "",
            &[("proc/meminfo", "MemFree: 1 MB\nCached: 1\nMemTotal: 1 kB\n")],
            expect![[r#"
                # HELP node_memory_MemTotal_bytes Usable memory: RAM less the kernel's code and reservations.
                # TYPE node_memory_MemTotal_bytes gauge
                node_memory_MemTotal_bytes 1024
                parse proc/meminfo, line 1: expected `name: number` or `name: number kB`"#]],
        );
    }

    #[test]
    fn takes_the_headings_of_old_kernels_and_fields_that_wrapped_below_zero() {
        let text = "        total:    used:    free:\nMem:  1060249600 1015431168 44818432\nMemTotal: 1 kB\n\
            SwapFree: 18446744073709551488 kB\nCached: -4 kB\nBuffers: 18446744073709551616 kB\nDirty: 2 kB\n";
        check::<Meminfo>(
            "",
            &[("proc/meminfo", text)],
            expect![[r#"
            # HELP node_memory_Dirty_bytes Memory waiting to be written back to disk.
            # TYPE node_memory_Dirty_bytes gauge
            node_memory_Dirty_bytes 2048
            # HELP node_memory_MemTotal_bytes Usable memory: RAM less the kernel's code and reservations.
            # TYPE node_memory_MemTotal_bytes gauge
            node_memory_MemTotal_bytes 1024
        "#]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Meminfo>(
            "",
            &[(
                "proc/meminfo",
                "MemTotal:        3843512 kB\nActive(anon):   40 kB\nHugePages_Total:       7\n",
            )],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Meminfo>("", &[], expect!["read proc/meminfo: No such file or directory (os error 2)"]);
    }
}
