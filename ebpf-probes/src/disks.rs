//! [`disk_probe!`]: what all probes of disks declare, on both sides.

/// Declares a probe as [`probe!`] does, with a table of rows by disk and operation: the constants by which a request
/// leads to its disk's rows, and the three maps. The programs find them as `DISKS`, the agent as `TABLE`.
#[macro_export]
macro_rules! disk_probe {
    (
        name: $probe:literal,
        rows: $row:ty,
        constants { $($constants:tt)* }
        maps { $($maps:tt)* }
        programs { $($programs:tt)* }
    ) => {
        $crate::probe! {
            name: $probe,
            constants {
                /// Bytes that are not done yet.
                DATA_LEN: u32 = field("request.__data_len");
                /// The number of the operation that appends to a zone, from 5.8.
                ZONE_APPEND = enumerator("REQ_OP_ZONE_APPEND"), optional;
                /// Before 5.17.
                RQ_DISK: $crate::Object = field("request.rq_disk"), unless(QUEUE_DISK);
                QUEUE: $crate::Object = field("request.q");
                /// From 5.17.
                QUEUE_DISK: $crate::Object = field("request_queue.disk"), unless(RQ_DISK);
                QUEUE_ID: u32 = field("request_queue.id");
                /// From 5.15.
                DISKSEQ: u64 = field("gendisk.diskseq"), optional;
                DISK_NAME: $crate::Text = field("gendisk.disk_name");
                /// Banks of `ROWS` less one.
                BANKS = setting();
                $($constants)*
            }
            maps {
                ENTRIES: $crate::maps::Rows<u64>;
                OWNERS: $crate::maps::Rows<probe_abi::by_id::Owner>;
                ROWS: $crate::maps::Rows<$row>;
                $($maps)*
            }
            programs { $($programs)* }
        }

        #[cfg(target_arch = "bpf")]
        const DISKS: $crate::disk::Disks<$row> = $crate::disk::Disks {
            table: $crate::by_id::ById { entries: ENTRIES, owners: OWNERS, rows: ROWS, banks: &BANKS },
            data_len: &DATA_LEN,
            zone_append: &ZONE_APPEND,
            rq_disk: &RQ_DISK,
            queue: &QUEUE,
            queue_disk: &QUEUE_DISK,
            queue_id: &QUEUE_ID,
            diskseq: &DISKSEQ,
            name: &DISK_NAME,
        };

        /// The rows by disk and operation.
        #[cfg(not(target_arch = "bpf"))]
        pub const TABLE: $crate::maps::ById<$row> =
            $crate::maps::ById { entries: ENTRIES, owners: OWNERS, rows: ROWS };
    };
}
