//! What was measured, as a table of the page, and what ten thousand hosts would make of it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    SCRAPE_INTERVAL,
    hosts::{Hosts, wire},
    prometheus::{Role, Server},
};
use crate::bench::usage;

const MANY: f64 = 10_000.0;
const MIB: f64 = 1024.0 * 1024.0;

/// Counters at one time.
pub(super) struct Count {
    at: Instant,
    agents: Duration,
    /// From the hosts and to them.
    wire: [u64; 2],
    servers: Vec<ServerCount>,
}

struct ServerCount {
    cpu: Duration,
    samples: f64,
    /// Of remote write.
    sent: f64,
}

impl Count {
    pub(super) fn take(hosts: &Hosts, servers: &[&Server]) -> Result<Self> {
        let count = |server: &&Server| {
            let is_agent = server.role == Role::Agent;
            let samples = server.own(match is_agent {
                true => "prometheus_agent_samples_appended_total",
                false => "prometheus_tsdb_head_samples_appended_total",
            })?;
            let sent = if is_agent { server.own("prometheus_remote_storage_bytes_total")? } else { 0.0 };
            Ok(ServerCount { cpu: usage::cpu_time(server.pid())?, samples, sent })
        };
        let servers = servers.iter().map(count).collect::<Result<_>>()?;
        Ok(Self { at: Instant::now(), agents: hosts.cpu_time()?, wire: wire()?, servers })
    }
}

/// A server and its fleet over some minutes.
#[derive(Clone, Debug)]
pub(super) struct Row {
    preset: String,
    role: &'static str,
    n_hosts: f64,
    /// Of the server, in the end.
    series: f64,
    /// A second.
    samples: f64,
    /// Bytes a second: of scrapes, of remote write for a receiver.
    wire: f64,
    /// Milliseconds of an agent's CPU a scrape.
    agent_cpu: f64,
    /// MiB of an agent without probes: the median, the most.
    agent_memory: [f64; 2],
    /// CPUs.
    server_cpu: f64,
    /// MiB.
    server_memory: f64,
}

impl Row {
    pub(super) fn each(
        preset: &str,
        hosts: &Hosts,
        servers: &[&Server],
        before: &Count,
        after: &Count,
    ) -> Result<Vec<Self>> {
        let seconds = (after.at - before.at).as_secs_f64();
        let n_hosts = hosts.len() as f64;
        let n_scrapes = n_hosts * seconds / SCRAPE_INTERVAL.as_secs_f64();
        let agents = after.agents.saturating_sub(before.agents).as_secs_f64();
        let resident = hosts.resident()?;
        let mib = |at: usize| resident.get(at).map_or(0.0, |it| *it as f64 / 1024.0);
        let scraped: u64 = (0..2).map(|way| after.wire[way] - before.wire[way]).sum();
        let sent: f64 = (after.servers.iter().map(|it| it.sent).sum::<f64>())
            - before.servers.iter().map(|it| it.sent).sum::<f64>();
        let mut rows = Vec::new();
        for (idx, server) in servers.iter().enumerate() {
            let (before, after) = (&before.servers[idx], &after.servers[idx]);
            rows.push(Self {
                preset: preset.to_owned(),
                role: server.role.name(),
                n_hosts,
                series: server.own(match server.role {
                    Role::Agent => "prometheus_agent_active_series",
                    Role::Server | Role::Receiver => "prometheus_tsdb_head_series",
                })?,
                samples: (after.samples - before.samples) / seconds,
                wire: if server.role == Role::Receiver { sent } else { scraped as f64 } / seconds,
                agent_cpu: agents * 1e3 / n_scrapes,
                agent_memory: [mib(resident.len() / 2), mib(resident.len().saturating_sub(1))],
                server_cpu: (after.cpu - before.cpu).as_secs_f64() / seconds,
                server_memory: usage::memory(server.pid())?.resident as f64 / 1024.0,
            });
        }
        Ok(rows)
    }

    fn cells(&self) -> String {
        format!(
            "| {} | {} | {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1}, {:.1} | {:.1} % | {:.0} |",
            self.preset,
            self.role,
            self.n_hosts,
            self.series,
            self.samples,
            self.wire / 1024.0,
            self.agent_cpu,
            self.agent_memory[0],
            self.agent_memory[1],
            self.server_cpu * 100.0,
            self.server_memory,
        )
    }
}

#[derive(Default)]
pub(super) struct Report {
    rows: Vec<Row>,
    pub(super) faults: Vec<String>,
}

impl Report {
    pub(super) fn add(&mut self, row: Row) {
        println!("{}", row.cells());
        self.rows.push(row);
    }

    /// In Markdown.
    pub(super) fn render(&self) -> String {
        let mut text = "\
            | preset | Prometheus | hosts | series | samples/s | KiB/s on the wire | agent CPU, ms a scrape | \
            agent MiB, median, most | Prometheus CPU | Prometheus MiB |\n\
            |---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for row in &self.rows {
            text += &row.cells();
            text.push('\n');
        }
        text += "\nThe largest fleet times as much as makes ten thousand hosts:\n\n\
            | preset | Prometheus | series | samples/s | MiB/s on the wire | Prometheus CPUs |\n|---|---|---|---|---|---|\n";
        for row in &self.rows {
            let same = self.rows.iter().filter(|it| it.preset == row.preset && it.role == row.role);
            if same.map(|it| it.n_hosts).fold(0.0, f64::max) > row.n_hosts {
                continue;
            }
            let factor = MANY / row.n_hosts;
            text += &format!(
                "| {} | {} | {:.1} million | {:.0} | {:.1} | {:.1} |\n",
                row.preset,
                row.role,
                row.series * factor / 1e6,
                row.samples * factor,
                row.wire * factor / MIB,
                row.server_cpu * factor,
            );
        }
        text
    }
}
