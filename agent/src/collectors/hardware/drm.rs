//! `/sys/class/drm/card<N>/device` of AMD's graphics cards: load and memory. See Documentation/gpu/amdgpu/driver-misc.rst.

use crate::{
    collectors::prelude::*,
    source::{Attributes, hwmon, numbered},
};
use std::path::PathBuf;

metrics! {
    CHIP: Gauge "node_drm_card_chip_info" ["card", "chip"], "1 for each graphics card, with its name in the sensors' metrics (node_hwmon_*).";
    INFO: Gauge "node_drm_card_info" ["card", "memory_vendor", "power_performance_level", "unique_id", "vendor"], "1 for each graphics card.";

    |it: &Attributes<'_>| ["card"];
    Gauge "node_drm_gpu_busy_percent" = it.number("gpu_busy_percent"), "Load of the graphics card, in percent.";
    Gauge "node_drm_memory_gtt_size_bytes" = it.number("mem_info_gtt_total"), "Memory of the host that the card can map, in bytes.";
    Gauge "node_drm_memory_gtt_used_bytes" = it.number("mem_info_gtt_used"), "Memory of the host that the card has mapped, in bytes.";
    Gauge "node_drm_memory_vis_vram_size_bytes" = it.number("mem_info_vis_vram_total"), "Memory of the card that the host can see, in bytes.";
    Gauge "node_drm_memory_vis_vram_used_bytes" = it.number("mem_info_vis_vram_used"), "Memory of the card that the host can see and that is in use, in bytes.";
    Gauge "node_drm_memory_vram_size_bytes" = it.number("mem_info_vram_total"), "Memory of the card, in bytes.";
    Gauge "node_drm_memory_vram_used_bytes" = it.number("mem_info_vram_used"), "Memory of the card that is in use, in bytes.";
}

pub(super) struct Drm {
    class: PathBuf,
}

impl Spec for Drm {
    const SUMMARY: &'static str = "Load and memory of AMD's graphics cards, from /sys/class/drm.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { class: host.sys("class/drm") })
    }
}

impl Collector for Drm {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.class)? else { return Ok(()) };
        let pushed = class.for_each_folder(
            // `card0-DP-1` is a connector of `card0`.
            |name| numbered(name, "card").is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit())),
            |name, card| {
                // Cards of software have none.
                let Some(device) = card.folder("device")? else { return Ok(()) };
                let files = device.unlisted_attributes();
                let uevent = files.value("uevent");
                let mut uevent = source::lines(uevent.as_deref().unwrap_or_default());
                if uevent.any(|(_, line)| line == b"DRIVER=amdgpu") {
                    push_info(name, &device, out);
                    push_rows(&files, [name], out);
                }
                files.end()
            },
        );
        Ok(pushed?)
    }
}

fn push_info(card: &str, device: &Folder, out: &mut Families) {
    let text = |file| device.value(file).ok().flatten().map_or(String::new(), |text| label_text(&text));
    let memory_vendor = text("mem_info_vram_vendor");
    let level = text("power_dpm_force_performance_level");
    out.push(INFO, (card, memory_vendor, level, text("unique_id"), "amd"), true);
    if let Some(chip) = hwmon::device_name(device.path()) {
        out.push(CHIP, (card, chip), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const HOST: &[(&str, &str)] = &[
        ("sys/class/drm/card0", "-> ../../devices/pci0000:00/0000:03:00.0/drm/card0"),
        ("sys/class/drm/card0-DP-1/status", "connected\n"),
        ("sys/devices/pci0000:00/0000:03:00.0/drm/card0/device", "-> ../.."),
        ("sys/devices/pci0000:00/0000:03:00.0/uevent", "DRIVER=amdgpu\nPCI_CLASS=30000\n"),
        ("sys/devices/pci0000:00/0000:03:00.0/gpu_busy_percent", "4\n"),
        ("sys/devices/pci0000:00/0000:03:00.0/mem_info_vram_total", "8573157376\n"),
        ("sys/devices/pci0000:00/0000:03:00.0/mem_info_vram_vendor", "samsung\n"),
        ("sys/class/drm/card1/device/uevent", "DRIVER=i915\n"),
    ];

    #[test]
    fn shows_cards_of_amd() {
        check::<Drm>(
            "",
            HOST,
            expect![[r##"
            # HELP node_drm_card_chip_info 1 for each graphics card, with its name in the sensors' metrics (node_hwmon_*).
            # TYPE node_drm_card_chip_info gauge
            node_drm_card_chip_info{card="card0",chip="pci0000:00_0000:03:00_0"} 1
            # HELP node_drm_card_info 1 for each graphics card.
            # TYPE node_drm_card_info gauge
            node_drm_card_info{card="card0",memory_vendor="samsung",power_performance_level="",unique_id="",vendor="amd"} 1
            # HELP node_drm_gpu_busy_percent Load of the graphics card, in percent.
            # TYPE node_drm_gpu_busy_percent gauge
            node_drm_gpu_busy_percent{card="card0"} 4
            # HELP node_drm_memory_vram_size_bytes Memory of the card, in bytes.
            # TYPE node_drm_memory_vram_size_bytes gauge
            node_drm_memory_vram_size_bytes{card="card0"} 8.573157376e+09
        "##]],
        );
    }

    #[test]
    fn a_card_without_a_device_is_none_of_amd() {
        check::<Drm>(
            "",
            &[&[("sys/class/drm/card2/", ""), ("sys/class/drm/card2-Virtual-1/", "")], &HOST[..5]].concat(),
            expect![[r##"
                # HELP node_drm_card_chip_info 1 for each graphics card, with its name in the sensors' metrics (node_hwmon_*).
                # TYPE node_drm_card_chip_info gauge
                node_drm_card_chip_info{card="card0",chip="pci0000:00_0000:03:00_0"} 1
                # HELP node_drm_card_info 1 for each graphics card.
                # TYPE node_drm_card_info gauge
                node_drm_card_info{card="card0",memory_vendor="",power_performance_level="",unique_id="",vendor="amd"} 1
                # HELP node_drm_gpu_busy_percent Load of the graphics card, in percent.
                # TYPE node_drm_gpu_busy_percent gauge
                node_drm_gpu_busy_percent{card="card0"} 4
            "##]],
        );
    }

    #[test]
    fn a_host_without_graphics_gives_no_samples() {
        check::<Drm>("", &[], expect![[""]]);
    }

    #[test]
    fn a_card_that_sleeps_has_no_load() {
        check_errno::<Drm>(
            &HOST[..7],
            ("sys/devices/pci0000:00/0000:03:00.0/gpu_busy_percent", Errno::INVAL),
            expect![[r##"
                # HELP node_drm_card_chip_info 1 for each graphics card, with its name in the sensors' metrics (node_hwmon_*).
                # TYPE node_drm_card_chip_info gauge
                node_drm_card_chip_info{card="card0",chip="pci0000:00_0000:03:00_0"} 1
                # HELP node_drm_card_info 1 for each graphics card.
                # TYPE node_drm_card_info gauge
                node_drm_card_info{card="card0",memory_vendor="samsung",power_performance_level="",unique_id="",vendor="amd"} 1
                # HELP node_drm_memory_vram_size_bytes Memory of the card, in bytes.
                # TYPE node_drm_memory_vram_size_bytes gauge
                node_drm_memory_vram_size_bytes{card="card0"} 8.573157376e+09
            "##]],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Drm>("", HOST);
    }
}
