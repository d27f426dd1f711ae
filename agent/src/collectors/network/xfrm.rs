//! `/proc/net/xfrm_stat`: packets that IPsec could not transform. See Documentation/networking/xfrm/xfrm_proc.rst of the
//! kernel.

use crate::collectors::prelude::*;

metrics! {
    |it: &dyn Fn(&str) -> Option<u64>| [];
    Counter "node_xfrm_acquire_error_packets_total" = it("XfrmAcquireError"), "Packets whose state was not fully acquired when it was used.";
    Counter "node_xfrm_fwd_hdr_error_packets_total" = it("XfrmFwdHdrError"), "Packets that must not be forwarded.";
    Counter "node_xfrm_in_buffer_error_packets_total" = it("XfrmInBufferError"), "Packets received for which there was no buffer.";
    Counter "node_xfrm_in_error_packets_total" = it("XfrmInError"), "Packets received with an error that no other metric counts.";
    Counter "node_xfrm_in_hdr_error_packets_total" = it("XfrmInHdrError"), "Packets received with a bad header.";
    Counter "node_xfrm_in_no_pols_packets_total" = it("XfrmInNoPols"), "Packets received whose states no policy allows.";
    Counter "node_xfrm_in_no_states_packets_total" = it("XfrmInNoStates"), "Packets received for which there is no state: index, address or protocol are wrong.";
    Counter "node_xfrm_in_pol_block_packets_total" = it("XfrmInPolBlock"), "Packets received that a policy discards.";
    Counter "node_xfrm_in_pol_error_packets_total" = it("XfrmInPolError"), "Packets received whose policy is in error.";
    Counter "node_xfrm_in_state_expired_packets_total" = it("XfrmInStateExpired"), "Packets received whose state has expired.";
    Counter "node_xfrm_in_state_invalid_packets_total" = it("XfrmInStateInvalid"), "Packets received whose state is not valid.";
    Counter "node_xfrm_in_state_mismatch_packets_total" = it("XfrmInStateMismatch"), "Packets received whose options the state does not have, such as another encapsulation.";
    Counter "node_xfrm_in_state_mode_error_packets_total" = it("XfrmInStateModeError"), "Packets received that are wrong in their transformation's mode.";
    Counter "node_xfrm_in_state_proto_error_packets_total" = it("XfrmInStateProtoError"), "Packets received that are wrong in their transformation's protocol, as with a wrong key.";
    Counter "node_xfrm_in_state_seq_error_packets_total" = it("XfrmInStateSeqError"), "Packets received whose sequence number is out of the window.";
    Counter "node_xfrm_in_tmpl_mismatch_packets_total" = it("XfrmInTmplMismatch"), "Packets received whose states fit no template of a policy.";
    Counter "node_xfrm_out_bundle_check_error_packets_total" = it("XfrmOutBundleCheckError"), "Packets to send whose bundle of states turned out bad.";
    Counter "node_xfrm_out_bundle_gen_error_packets_total" = it("XfrmOutBundleGenError"), "Packets to send for which no bundle of states could be made.";
    Counter "node_xfrm_out_error_packets_total" = it("XfrmOutError"), "Packets to send with an error that no other metric counts.";
    Counter "node_xfrm_out_no_states_packets_total" = it("XfrmOutNoStates"), "Packets to send for which there is no state.";
    Counter "node_xfrm_out_pol_block_packets_total" = it("XfrmOutPolBlock"), "Packets to send that a policy discards.";
    Counter "node_xfrm_out_pol_dead_packets_total" = it("XfrmOutPolDead"), "Packets to send whose policy is being removed.";
    Counter "node_xfrm_out_pol_error_packets_total" = it("XfrmOutPolError"), "Packets to send whose policy is in error.";
    Counter "node_xfrm_out_state_expired_packets_total" = it("XfrmOutStateExpired"), "Packets to send whose state has expired.";
    Counter "node_xfrm_out_state_invalid_packets_total" = it("XfrmOutStateInvalid"), "Packets to send whose state is not valid, expired perhaps.";
    Counter "node_xfrm_out_state_mode_error_packets_total" = it("XfrmOutStateModeError"), "Packets to send that are wrong in their transformation's mode.";
    Counter "node_xfrm_out_state_proto_error_packets_total" = it("XfrmOutStateProtoError"), "Packets to send that are wrong in their transformation's protocol.";
    Counter "node_xfrm_out_state_seq_error_packets_total" = it("XfrmOutStateSeqError"), "Packets to send for which no sequence number was left.";
}

pub(super) struct Xfrm(File);

impl Spec for Xfrm {
    const SUMMARY: &'static str =
        "Packets that IPsec could not transform, by cause, from /proc/net/xfrm_stat.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.net("xfrm_stat")))
    }
}

impl Collector for Xfrm {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let mut counters = Vec::new();
        let parsed = self.0.parse_lines("a counter's name and a number", |_, line| {
            let mut words = source::words(line);
            let (name, value) = (words.next()?, words.next()?);
            counters.push((name.to_vec(), source::count(value)?));
            Some(())
        });
        match parsed {
            Err(error) if error.is_not_found() => {
                return Err(Error::Absent("the kernel counts none (CONFIG_XFRM_STATISTICS)".to_owned()));
            }
            parsed => {
                let counter =
                    |name: &str| counters.iter().find(|it| it.0 == name.as_bytes()).and_then(|it| it.1);
                push_rows(&counter, (), out);
                parsed?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = "\
XfrmInError             \t1
XfrmInNoStates          \t18446744073709551615
XfrmOutStateInvalid     \t28765
XfrmOfTheFuture         \t3
";

    #[test]
    fn shows_the_counters_that_the_kernel_has() {
        check::<Xfrm>(
            "",
            &[("proc/net/xfrm_stat", STATS)],
            expect![[r#"
            # HELP node_xfrm_in_error_packets_total Packets received with an error that no other metric counts.
            # TYPE node_xfrm_in_error_packets_total counter
            node_xfrm_in_error_packets_total 1
            # HELP node_xfrm_in_no_states_packets_total Packets received for which there is no state: index, address or protocol are wrong.
            # TYPE node_xfrm_in_no_states_packets_total counter
            node_xfrm_in_no_states_packets_total 1.8446744073709552e+19
            # HELP node_xfrm_out_state_invalid_packets_total Packets to send whose state is not valid, expired perhaps.
            # TYPE node_xfrm_out_state_invalid_packets_total counter
            node_xfrm_out_state_invalid_packets_total 28765
        "#]],
        );
    }

    #[test]
    fn a_kernel_without_statistics_is_no_fault() {
        check_error::<Xfrm>(
            "",
            &[],
            expect!["not on this host: the kernel counts none (CONFIG_XFRM_STATISTICS)"],
        );
    }

    #[test]
    fn one_bad_line_costs_one_counter() {
        let stats = STATS.replace("28765", "many");
        check_error::<Xfrm>(
            "",
            &[("proc/net/xfrm_stat", &stats)],
            expect![[r#"
            # HELP node_xfrm_in_error_packets_total Packets received with an error that no other metric counts.
            # TYPE node_xfrm_in_error_packets_total counter
            node_xfrm_in_error_packets_total 1
            # HELP node_xfrm_in_no_states_packets_total Packets received for which there is no state: index, address or protocol are wrong.
            # TYPE node_xfrm_in_no_states_packets_total counter
            node_xfrm_in_no_states_packets_total 1.8446744073709552e+19
            parse proc/net/xfrm_stat, line 3: expected a counter's name and a number"#]],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Xfrm>("", &[("proc/net/xfrm_stat", STATS)]);
    }
}
