//! `/proc/meminfo`: see proc_meminfo(5). The file's kB are KiB; we push bytes.
//! Read by hand: the procfs crate refuses the whole file when one of its fields is missing.

use crate::collectors::prelude::*;

metrics! {
    |it: &Fields<'_>| [];
    Gauge "node_memory_Active_anon_bytes" = it.get("Active(anon)"), "Anonymous memory that was used recently.";
    Gauge "node_memory_Active_bytes" = it.get("Active"), "Memory that was used recently and is rarely reclaimed.";
    Gauge "node_memory_Active_file_bytes" = it.get("Active(file)"), "Page cache that was used recently.";
    Gauge "node_memory_AnonHugePages_bytes" = it.get("AnonHugePages"), "Anonymous memory in transparent huge pages.";
    Gauge "node_memory_AnonPages_bytes" = it.get("AnonPages"), "Anonymous memory mapped by processes.";
    Gauge "node_memory_Bounce_bytes" = it.get("Bounce"), "Bounce buffers of block devices.";
    Gauge "node_memory_Buffers_bytes" = it.get("Buffers"), "Page cache of raw block devices.";
    Gauge "node_memory_Cached_bytes" = it.get("Cached"), "Page cache of files, shared memory included.";
    Gauge "node_memory_CmaFree_bytes" = it.get("CmaFree"), "Free memory of the contiguous memory allocator.";
    Gauge "node_memory_CmaTotal_bytes" = it.get("CmaTotal"), "Memory of the contiguous memory allocator.";
    Gauge "node_memory_CommitLimit_bytes" = it.get("CommitLimit"), "Memory that may be committed under strict overcommit.";
    Gauge "node_memory_Committed_AS_bytes" = it.get("Committed_AS"), "Memory that processes were promised, used or not.";
    Gauge "node_memory_DirectMap1G_bytes" = it.get("DirectMap1G"), "Memory that the kernel maps in pages of 1 GiB.";
    Gauge "node_memory_DirectMap2M_bytes" = it.get("DirectMap2M"), "Memory that the kernel maps in pages of 2 MiB.";
    Gauge "node_memory_DirectMap4k_bytes" = it.get("DirectMap4k"), "Memory that the kernel maps in pages of 4 KiB.";
    Gauge "node_memory_Dirty_bytes" = it.get("Dirty"), "Memory waiting to be written back to disk.";
    Gauge "node_memory_HardwareCorrupted_bytes" = it.get("HardwareCorrupted"), "Memory with errors that the kernel no longer uses.";
    Gauge "node_memory_HugePages_Free" = it.get("HugePages_Free"), "Huge pages in the pool that are not used.";
    Gauge "node_memory_HugePages_Rsvd" = it.get("HugePages_Rsvd"), "Huge pages promised and not yet used.";
    Gauge "node_memory_HugePages_Surp" = it.get("HugePages_Surp"), "Huge pages above the size of the pool.";
    Gauge "node_memory_HugePages_Total" = it.get("HugePages_Total"), "Huge pages in the pool.";
    Gauge "node_memory_Hugepagesize_bytes" = it.get("Hugepagesize"), "Size of a huge page.";
    Gauge "node_memory_Inactive_anon_bytes" = it.get("Inactive(anon)"), "Anonymous memory that was not used recently.";
    Gauge "node_memory_Inactive_bytes" = it.get("Inactive"), "Memory that was not used recently and is reclaimed first.";
    Gauge "node_memory_Inactive_file_bytes" = it.get("Inactive(file)"), "Page cache that was not used recently.";
    Gauge "node_memory_KernelStack_bytes" = it.get("KernelStack"), "Kernel stacks of all tasks.";
    Gauge "node_memory_Mapped_bytes" = it.get("Mapped"), "Files mapped into processes.";
    Gauge "node_memory_MemAvailable_bytes" = it.get("MemAvailable"), "Memory that new programs could get without swapping.";
    Gauge "node_memory_MemFree_bytes" = it.get("MemFree"), "Memory that is not used at all.";
    Gauge "node_memory_MemTotal_bytes" = it.get("MemTotal"), "Usable memory: RAM less the kernel's code and reservations.";
    Gauge "node_memory_Mlocked_bytes" = it.get("Mlocked"), "Memory locked by mlock(2).";
    Gauge "node_memory_NFS_Unstable_bytes" = it.get("NFS_Unstable"), "NFS pages sent and not yet on stable storage.";
    Gauge "node_memory_PageTables_bytes" = it.get("PageTables"), "Page tables of processes.";
    Gauge "node_memory_Percpu_bytes" = it.get("Percpu"), "Per-CPU allocations of the kernel.";
    Gauge "node_memory_SReclaimable_bytes" = it.get("SReclaimable"), "Slab that can be reclaimed, such as dentries.";
    Gauge "node_memory_SUnreclaim_bytes" = it.get("SUnreclaim"), "Slab that cannot be reclaimed.";
    Gauge "node_memory_ShmemHugePages_bytes" = it.get("ShmemHugePages"), "Shared memory in transparent huge pages.";
    Gauge "node_memory_ShmemPmdMapped_bytes" = it.get("ShmemPmdMapped"), "Shared memory mapped by huge pages.";
    Gauge "node_memory_Shmem_bytes" = it.get("Shmem"), "Shared memory and tmpfs.";
    Gauge "node_memory_Slab_bytes" = it.get("Slab"), "Memory of the kernel's object caches.";
    Gauge "node_memory_SwapCached_bytes" = it.get("SwapCached"), "Memory that is both in RAM and in swap.";
    Gauge "node_memory_SwapFree_bytes" = it.get("SwapFree"), "Swap that is not used.";
    Gauge "node_memory_SwapTotal_bytes" = it.get("SwapTotal"), "Swap in total.";
    Gauge "node_memory_Unevictable_bytes" = it.get("Unevictable"), "Memory that cannot be reclaimed, locked memory included.";
    Gauge "node_memory_VmallocChunk_bytes" = it.get("VmallocChunk"), "Largest free block of the vmalloc area; 0 since Linux 4.4.";
    Gauge "node_memory_VmallocTotal_bytes" = it.get("VmallocTotal"), "Size of the vmalloc address space.";
    Gauge "node_memory_VmallocUsed_bytes" = it.get("VmallocUsed"), "Memory allocated by vmalloc.";
    Gauge "node_memory_WritebackTmp_bytes" = it.get("WritebackTmp"), "Temporary buffers of FUSE for writing back.";
    Gauge "node_memory_Writeback_bytes" = it.get("Writeback"), "Memory being written back to disk now.";
    Gauge "node_memory_Zswap_bytes" = it.get("Zswap"), "Memory that zswap's compressed pages take.";
    Gauge "node_memory_Zswapped_bytes" = it.get("Zswapped"), "Memory that zswap has compressed, at its original size.";
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
        let mut fields = Vec::with_capacity(64);
        let parsed = source::lines(self.0.read()?).try_for_each(|(number, line)| {
            fields.push(parse_line(line).ok_or(number)?);
            Ok(())
        });
        if let Err(line) = parsed {
            return Err(self.0.parse_error(line, "expected `name: number` or `name: number kB`").into());
        }
        push_rows(&Fields(&fields), (), out);
        Ok(())
    }
}

/// Name and value of each line; sizes are in bytes already.
struct Fields<'a>(&'a [(&'a [u8], u64)]);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(it, _)| *it == name.as_bytes()).map(|&(_, value)| value)
    }
}

fn parse_line(line: &[u8]) -> Option<(&[u8], u64)> {
    let mut words = source::words(line);
    let name = words.next()?.strip_suffix(b":")?;
    let value: u64 = source::number(words.next()?)?;
    match (words.next(), words.next()) {
        (None, _) => Some((name, value)),
        (Some(b"kB"), None) => Some((name, value.checked_mul(1024)?)),
        _ => None,
    }
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
    fn refuses_a_unit_it_does_not_know() {
        check_error::<Meminfo>(
            "",
            &[("proc/meminfo", "MemTotal: 1 kB\nMemFree: 1 MB\n")],
            expect!["parse proc/meminfo, line 2: expected `name: number` or `name: number kB`"],
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
