//! How well the system clock is steered: see adjtimex(2).

use crate::{
    collectors::prelude::*,
    source::sys::clock::{self, Timex as State},
};
use std::io::ErrorKind;

metrics! {
    |it: &State| [];
    Gauge "node_timex_estimated_error_seconds" = it.esterror as f64 / 1e6, "Error of the clock as the time daemon estimates it, in seconds.";
    Gauge "node_timex_frequency_adjustment_ratio" = 1.0 + it.freq as f64 / PPM, "Rate of the clock relative to its hardware; 1 is unadjusted.";
    Gauge "node_timex_loop_time_constant" = it.constant, "How slowly the kernel's loop follows the time daemon, as a power of 2.";
    Gauge "node_timex_maxerror_seconds" = it.maxerror as f64 / 1e6, "Error that the clock has at most, in seconds.";
    Gauge "node_timex_offset_seconds" = it.offset as f64 / it.units_per_second(), "Offset that the kernel is slewing away, in seconds.";
    Counter "node_timex_pps_calibration_total" = it.calcnt, "Calibration intervals of the pulse-per-second signal.";
    Counter "node_timex_pps_error_total" = it.errcnt, "Calibration errors of the pulse-per-second signal.";
    Gauge "node_timex_pps_frequency_hertz" = it.ppsfreq as f64 / PPM, "Frequency offset of the pulse-per-second signal, as a ratio.";
    Gauge "node_timex_pps_jitter_seconds" = it.jitter as f64 / it.units_per_second(), "Jitter of the pulse-per-second signal, in seconds.";
    Counter "node_timex_pps_jitter_total" = it.jitcnt, "Pulses whose jitter was above the limit.";
    Gauge "node_timex_pps_shift_seconds" = it.shift, "Length of the pulse-per-second signal's calibration interval, as a power of 2 of seconds.";
    Counter "node_timex_pps_stability_exceeded_total" = it.stbcnt, "Calibration intervals in which the frequency changed more than the limit.";
    Gauge "node_timex_pps_stability_hertz" = it.stabil as f64 / PPM, "How much the pulse-per-second signal's frequency changes, as a ratio.";
    Gauge "node_timex_status" = it.status, "The STA_ bits of adjtimex(2).";
    Gauge "node_timex_sync_status" = it.state != TIME_ERROR, "1 if a time daemon keeps the clock right, else 0.";
    Gauge "node_timex_tai_offset_seconds" = it.tai, "International Atomic Time less UTC, in seconds; 0 where no daemon told the kernel.";
    Gauge "node_timex_tick_seconds" = it.tick as f64 / 1e6, "Time between two clock ticks, in seconds.";
}

/// Frequencies are in parts per million with 16 bits after the point.
const PPM: f64 = 65536.0 * 1e6;
/// The clock is not synchronised.
const TIME_ERROR: i32 = 5;
/// The status bit that makes nanoseconds of the microseconds of offset and jitter.
const STA_NANO: i32 = 0x2000;

impl State {
    fn units_per_second(&self) -> f64 {
        if self.status & STA_NANO == 0 { 1e6 } else { 1e9 }
    }
}

pub(super) struct Timex;

impl Spec for Timex {
    const SUMMARY: &'static str = "Offset, error and frequency of the clock, from adjtimex(2).";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, _: &Host) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Collector for Timex {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        match clock::adjtimex() {
            Ok(state) => push_rows(&state, (), out),
            Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => {
                return Err(Error::Absent("leave to call adjtimex(2), which a sandbox forbids".to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    fn text(state: &State) -> String {
        let mut out = Families::new(METRICS);
        push_rows(state, (), &mut out);
        TestHost::new(&[]).render(&out)
    }

    #[test]
    fn gives_seconds_and_ratios() {
        let state = State {
            state: 0,
            status: 0x2001,
            offset: -150_000,
            freq: 1_310_720,
            maxerror: 500_000,
            esterror: 16,
            constant: 7,
            tick: 10_000,
            ppsfreq: 65_536,
            jitter: 25,
            shift: 4,
            stabil: 131_072,
            jitcnt: 1,
            calcnt: 2,
            errcnt: 3,
            stbcnt: 4,
            tai: 37,
        };
        expect![[r#"
            # HELP node_timex_estimated_error_seconds Error of the clock as the time daemon estimates it, in seconds.
            # TYPE node_timex_estimated_error_seconds gauge
            node_timex_estimated_error_seconds 1.6e-05
            # HELP node_timex_frequency_adjustment_ratio Rate of the clock relative to its hardware; 1 is unadjusted.
            # TYPE node_timex_frequency_adjustment_ratio gauge
            node_timex_frequency_adjustment_ratio 1.00002
            # HELP node_timex_loop_time_constant How slowly the kernel's loop follows the time daemon, as a power of 2.
            # TYPE node_timex_loop_time_constant gauge
            node_timex_loop_time_constant 7
            # HELP node_timex_maxerror_seconds Error that the clock has at most, in seconds.
            # TYPE node_timex_maxerror_seconds gauge
            node_timex_maxerror_seconds 0.5
            # HELP node_timex_offset_seconds Offset that the kernel is slewing away, in seconds.
            # TYPE node_timex_offset_seconds gauge
            node_timex_offset_seconds -0.00015
            # HELP node_timex_pps_calibration_total Calibration intervals of the pulse-per-second signal.
            # TYPE node_timex_pps_calibration_total counter
            node_timex_pps_calibration_total 2
            # HELP node_timex_pps_error_total Calibration errors of the pulse-per-second signal.
            # TYPE node_timex_pps_error_total counter
            node_timex_pps_error_total 3
            # HELP node_timex_pps_frequency_hertz Frequency offset of the pulse-per-second signal, as a ratio.
            # TYPE node_timex_pps_frequency_hertz gauge
            node_timex_pps_frequency_hertz 1e-06
            # HELP node_timex_pps_jitter_seconds Jitter of the pulse-per-second signal, in seconds.
            # TYPE node_timex_pps_jitter_seconds gauge
            node_timex_pps_jitter_seconds 2.5e-08
            # HELP node_timex_pps_jitter_total Pulses whose jitter was above the limit.
            # TYPE node_timex_pps_jitter_total counter
            node_timex_pps_jitter_total 1
            # HELP node_timex_pps_shift_seconds Length of the pulse-per-second signal's calibration interval, as a power of 2 of seconds.
            # TYPE node_timex_pps_shift_seconds gauge
            node_timex_pps_shift_seconds 4
            # HELP node_timex_pps_stability_exceeded_total Calibration intervals in which the frequency changed more than the limit.
            # TYPE node_timex_pps_stability_exceeded_total counter
            node_timex_pps_stability_exceeded_total 4
            # HELP node_timex_pps_stability_hertz How much the pulse-per-second signal's frequency changes, as a ratio.
            # TYPE node_timex_pps_stability_hertz gauge
            node_timex_pps_stability_hertz 2e-06
            # HELP node_timex_status The STA_ bits of adjtimex(2).
            # TYPE node_timex_status gauge
            node_timex_status 8193
            # HELP node_timex_sync_status 1 if a time daemon keeps the clock right, else 0.
            # TYPE node_timex_sync_status gauge
            node_timex_sync_status 1
            # HELP node_timex_tai_offset_seconds International Atomic Time less UTC, in seconds; 0 where no daemon told the kernel.
            # TYPE node_timex_tai_offset_seconds gauge
            node_timex_tai_offset_seconds 37
            # HELP node_timex_tick_seconds Time between two clock ticks, in seconds.
            # TYPE node_timex_tick_seconds gauge
            node_timex_tick_seconds 0.01
        "#]].assert_eq(&text(&state));
    }

    #[test]
    fn takes_microseconds_unless_the_kernel_says_nanoseconds() {
        let state = State { state: TIME_ERROR, status: 0x40, offset: 5, jitter: 7, ..State::default() };
        let text = text(&state);
        assert!(text.contains("\nnode_timex_offset_seconds 5e-06\n"));
        assert!(text.contains("\nnode_timex_pps_jitter_seconds 7e-06\n"));
        assert!(text.contains("\nnode_timex_sync_status 0\n"));
    }
}
