//! What comes into the page cache and what leaves it.

use ebpf_probes::{maps::CounterBy, probe};

probe! {
    name: "page_cache",
    constants {}
    maps {
        /// Those that came, then those that left.
        MOVES: CounterBy<2>;
    }
    programs {
        tp_btf("mm_filemap_add_to_page_cache") fn added(_, cpu) {
            MOVES.add(0, cpu, 1);
        }

        tp_btf("mm_filemap_delete_from_page_cache") fn deleted(_, cpu) {
            MOVES.add(1, cpu, 1);
        }
    }
}
