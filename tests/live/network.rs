//! Interfaces, queues, routes and sockets of a network of its own, against `ethtool`, `tc`, `ip` and `ss`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write as _,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{fd::AsFd as _, unix::fs::symlink},
    panic::resume_unwind,
    process::{Child, Command, id},
    thread,
};

use anyhow::{Context, Result, ensure};
use hostlens_tests::{Agent, Exposition, exposition::Sample};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

const COLLECTORS: &[&str] =
    &["--collector.ethtool", "--collector.network_route", "--collector.qdisc", "--collector.tcpstat"];
/// What else a pod shows of the host.
const OF_LINKS: &[&str] = &[
    "--collector.arp",
    "--collector.netclass",
    "--collector.netclass.netlink",
    "--collector.netdev",
    "--collector.netdev.address-info",
];
const OWN_NETWORK: &str =
    "collector.disable_defaults = true\n[ebpf]\nenabled = \"never\"\n[path]\nnetwork_namespace = \"self\"\n";

/// What both ends of the traffic are.
const SETUP: &str = "
link set lo up
link add near type veth peer name far
link set near up
link set far up
addr add 10.9.0.1/24 dev near
addr add fd09::1/64 dev near nodad
neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev near
route add 10.8.0.0/16 via 10.9.0.2 metric 7 proto static
route add 10.7.7.7/32 dev far table 77
route add default nexthop via 10.9.0.3 weight 2 nexthop via 10.9.0.4 weight 5
route add fd08::/32 via fd09::2
";

/// A network namespace, gone when this is.
struct Network(String);

impl Network {
    fn new(name: &str) -> Result<Self> {
        let network = Self(format!("hostlens-{name}-{}", id()));
        run("ip", &["netns", "add", &network.0])?;
        Ok(network)
    }

    /// Runs it on a thread that is in this network; so is what it starts.
    fn inside<T: Send>(&self, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = File::open(format!("/run/netns/{}", self.0))?;
        let enter_and_run = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            run()
        };
        thread::scope(|scope| scope.spawn(enter_and_run).join().unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Err(error) = run("ip", &["netns", "del", &self.0]) {
            eprintln!("{error:#}");
        }
    }
}

struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it sleeps");
    }
}

pub(super) fn run(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| format!("run {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {errors}", args.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

fn json(program: &str, args: &str) -> Result<Vec<Value>> {
    let text = run(program, &args.split(' ').collect::<Vec<_>>())?;
    Ok(serde_json::from_str::<Value>(&text)?.as_array().cloned().unwrap_or_default())
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

const SENT: &str = "tx_queued_bytes";

pub(crate) fn of_its_own_is_as_its_tools_say() -> Result<()> {
    let network = Network::new("a")?;
    network.inside(|| {
        for line in SETUP.lines().filter(|it| !it.is_empty()) {
            run("ip", &line.split(' ').collect::<Vec<_>>())?;
        }
        run("tc", &["qdisc", "replace", "dev", "near", "root", "handle", "1:", "pfifo", "limit", "9"])?;
        let socket = UdpSocket::bind("10.9.0.1:0")?;
        for _ in 0..100 {
            socket.send_to(&[0; 1000], "10.9.0.2:9")?;
        }
        let agent = Agent::start(OWN_NETWORK, COLLECTORS)?;
        // Over the connection that the next one uses, too.
        agent.scrape()?;
        let _sockets = sockets()?;
        let queues_before = root_queues()?;
        let (mut before, page, mut after) = (tcp_states()?, agent.scrape()?, tcp_states()?);
        // The agent's own answer is in a queue for a moment.
        before.remove(SENT);
        after.remove(SENT);
        ensure!(before == after, "sockets do not rest: {before:?}, {after:?}");
        let ours = page.samples("node_tcp_connection_states", &[]);
        let mut ours: BTreeMap<String, u64> =
            ours.map(|it| (it.labels["state"].clone(), it.value as u64)).collect();
        ensure!(ours.remove(SENT).is_some(), "tcpstat has no {SENT}");
        ensure!(ours == before, "tcpstat has {ours:?}, ss {before:?}");
        queues(&page, &queues_before)?;
        routes(&page)?;
        drivers(&page)
    })
}

/// Connections of both families, one of which has bytes to read and one of which nobody accepted.
fn sockets() -> Result<Vec<(TcpListener, TcpStream, TcpStream)>> {
    let mut sockets = Vec::new();
    for (idx, address) in ["127.0.0.1:0", "[::1]:0", "10.9.0.1:0"].into_iter().enumerate() {
        let listener = TcpListener::bind(address)?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        client.write_all(&vec![0; 1000 * idx])?;
        sockets.push((listener, client, server));
    }
    let (listener, ..) = &sockets[0];
    let (waiting, other) =
        (TcpStream::connect(listener.local_addr()?)?, TcpStream::connect(listener.local_addr()?)?);
    sockets.push((listener.try_clone()?, waiting, other));
    Ok(sockets)
}

/// Sockets by state, and what waits, as ss counts them.
fn tcp_states() -> Result<BTreeMap<String, u64>> {
    let mut states = BTreeMap::new();
    for line in run("ss", &["-tanH"])?.lines() {
        let mut words = line.split_ascii_whitespace();
        let state = match words.next().context("a state")? {
            "ESTAB" => "established".to_owned(),
            "UNCONN" => "close".to_owned(),
            state => state.to_ascii_lowercase().replace("-wait-", "_wait").replace('-', "_"),
        };
        *states.entry(state).or_default() += 1;
        for queue in ["rx_queued_bytes", "tx_queued_bytes"] {
            *states.entry(queue.to_owned()).or_default() +=
                words.next().context("a queue")?.parse::<u64>()?;
        }
    }
    Ok(states)
}

fn root_queues() -> Result<Vec<Value>> {
    let mut root = json("tc", "-s -j qdisc show")?;
    root.retain(|it| it["root"].as_bool() == Some(true));
    Ok(root)
}

/// The kernel itself sends packets of IPv6 now and then: each number lies between two readings.
fn queues(page: &Exposition, before: &[Value]) -> Result<()> {
    let mut n_packets = 0;
    let after = root_queues()?;
    ensure!(before.len() == after.len() && after.len() == 3, "{before:?}, {after:?}");
    for (before, after) in before.iter().zip(&after) {
        let labels = [("device", text(after, "dev")), ("kind", text(after, "kind"))];
        for (family, key) in [
            ("node_qdisc_bytes_total", "bytes"),
            ("node_qdisc_packets_total", "packets"),
            ("node_qdisc_drops_total", "drops"),
            ("node_qdisc_overlimits_total", "overlimits"),
            ("node_qdisc_requeues_total", "requeues"),
            ("node_qdisc_current_queue_length", "qlen"),
            ("node_qdisc_backlog", "backlog"),
        ] {
            let ours = page.value(family, &labels)?;
            let [least, most] = [before, after].map(|it| it[key].as_f64());
            let is_between = least.context(key)? <= ours && ours <= most.context(key)?;
            ensure!(is_between, "{family} {labels:?}: {ours}, tc has {least:?} to {most:?}");
        }
        n_packets += after["packets"].as_u64().unwrap_or(0);
    }
    ensure!(n_packets >= 100, "{n_packets} packets");
    Ok(())
}

fn routes(page: &Exposition) -> Result<()> {
    let mut theirs = Vec::new();
    for (family, whole) in [("-4", "/32"), ("-6", "/128")] {
        for route in json("ip", &format!("{family} -d -j route show table all type unicast"))? {
            let destination = match text(&route, "dst") {
                dst if dst == "default" || dst.contains('/') => dst.to_owned(),
                address => format!("{address}{whole}"),
            };
            let priority = route["metric"].as_u64().unwrap_or(0).to_string();
            let hops = route["nexthops"].as_array().cloned();
            for hop in hops.unwrap_or_else(|| vec![route.clone()]) {
                let weight = hop["weight"].as_u64().map_or_else(String::new, |it| it.to_string());
                let way = [text(&hop, "dev"), text(&route, "prefsrc"), &destination, text(&hop, "gateway")];
                let way = way.into_iter().chain([&*priority, text(&route, "protocol"), &weight]);
                theirs.push(way.map(str::to_owned).collect::<Vec<_>>());
            }
        }
    }
    let label = |it: &Sample, name: &str| it.labels.get(name).cloned().unwrap_or_default();
    let names = ["device", "src", "dest", "gw", "priority", "proto", "weight"];
    let ours = page.samples("node_network_route_info", &[]);
    let mut ours: Vec<Vec<_>> = ours.map(|it| names.map(|name| label(it, name)).to_vec()).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    ensure!(ours == theirs && ours.len() >= 8, "network_route has {ours:#?}, ip {theirs:#?}");
    let of_far = theirs.iter().filter(|it| it[0] == "far").count();
    ensure!(page.value("node_network_routes", &[("device", "far")])? as usize == of_far, "routes over far");
    Ok(())
}

fn drivers(page: &Exposition) -> Result<()> {
    for device in ["near", "far"] {
        let mut n_known = 0;
        for line in run("ethtool", &["-S", device])?.lines().skip(1) {
            let (name, number) = line.trim().split_once(": ").context("a statistic")?;
            let words = name.split('_').map(|it| match it {
                "rx" => "received",
                "tx" => "transmitted",
                it => it,
            });
            let family = format!("node_ethtool_{}", words.collect::<Vec<_>>().join("_"));
            let ours = page.value(&family, &[("device", device)])?;
            ensure!(ours == number.parse::<f64>()?, "{family} of {device}: {ours}, ethtool has {number}");
            n_known += 1;
        }
        ensure!(n_known >= 5, "{device} has {n_known} statistics");
        let driver = run("ethtool", &["-i", device])?;
        let of_driver = |key: &str| {
            let line = driver.lines().find_map(|it| it.strip_prefix(&format!("{key}: ")));
            line.unwrap_or_default().to_owned()
        };
        let [name, version, bus] = ["driver", "version", "bus-info"].map(of_driver);
        let labels = [("device", device), ("driver", &*name), ("version", &*version), ("bus_info", &*bus)];
        page.value("node_ethtool_info", &labels)?;
    }
    Ok(())
}

/// In a network of its own, the agent shows another's, whose process 1 it can see.
pub(crate) fn of_the_host_is_shown_from_another() -> Result<()> {
    let (of_host, of_pod) = (Network::new("host")?, Network::new("pod")?);
    let collectors = [COLLECTORS, OF_LINKS].concat();
    let (process, expected) = of_host.inside(|| {
        for line in SETUP.lines().filter(|it| !it.is_empty()) {
            run("ip", &line.split(' ').collect::<Vec<_>>())?;
        }
        let process = Sleeper(Command::new("sleep").arg("1000").spawn()?);
        Ok((process, Agent::start(OWN_NETWORK, &collectors)?.scrape()?))
    })?;
    let procfs = tempfile::tempdir()?;
    symlink(format!("/proc/{}", process.0.id()), procfs.path().join("1"))?;
    let config = OWN_NETWORK.replace("\"self\"", "\"pid1\"") + &format!("procfs = {:?}\n", procfs.path());
    let page = of_pod.inside(|| {
        run("ip", &["link", "set", "lo", "up"])?;
        Agent::start(&config, &collectors)?.scrape()
    })?;
    for family in [
        "node_arp_entries",
        "node_ethtool_info",
        "node_network_address_info",
        "node_network_info",
        "node_network_route_info",
        "node_network_routes",
        "node_qdisc_bytes_total",
    ] {
        let labels =
            |page: &Exposition| page.samples(family, &[]).map(|it| it.labels.clone()).collect::<Vec<_>>();
        let (ours, theirs) = (labels(&page), labels(&expected));
        ensure!(ours == theirs && !ours.is_empty(), "{family}: {ours:?} in the pod, {theirs:?} on the host");
    }
    // Where nobody may enter it, it is said.
    fs::remove_file(procfs.path().join("1"))?;
    fs::create_dir(procfs.path().join("1"))?;
    symlink(format!("/proc/{}/net", process.0.id()), procfs.path().join("1/net"))?;
    let page = of_pod.inside(|| Agent::start(&config, &collectors)?.scrape())?;
    for collector in ["ethtool", "netclass", "netdev", "network_route", "qdisc"] {
        let labels = [("collector", collector), ("state", "unavailable")];
        let state = page.samples("hostlens_collector_problem", &labels).next().context("a problem")?;
        let reason = &state.labels["reason"];
        ensure!(reason.starts_with("netlink shows this container's network"), "{collector}: {reason}");
    }
    Ok(())
}

/// What the queues of an interface take and send, all together, is what the interface does.
pub(crate) fn queues_are_those_of_the_kernel() -> Result<()> {
    const FAMILIES: [(&str, usize); 4] =
        [("receive_bytes", 0), ("receive_packets", 1), ("transmit_bytes", 8), ("transmit_packets", 9)];
    let config = OWN_NETWORK.to_owned() + "[collector.netdev_queues]\nenabled = true\n";
    let agent = Agent::start(&config, &[])?;
    let (before, page, after) = (traffic()?, agent.scrape()?, traffic()?);
    let devices: BTreeSet<_> = page
        .samples("node_network_queue_receive_packets_total", &[])
        .map(|it| it.labels["device"].clone())
        .collect();
    ensure!(!devices.is_empty(), "no driver of {:?} tells of queues", before.keys());
    for device in &devices {
        for (name, column) in FAMILIES {
            let family = format!("node_network_queue_{name}_total");
            let ours: f64 = page.samples(&family, &[("device", device)]).map(|it| it.value).sum();
            let [least, most] = [&before, &after].map(|it| it[device][column]);
            ensure!(least <= ours && ours <= most, "{family} of {device}: {ours}, not {least} to {most}");
            println!("{family} of {device}: {ours} in {least}..{most}");
        }
    }
    Ok(())
}

/// The columns of /proc/net/dev, by interface.
fn traffic() -> Result<BTreeMap<String, Vec<f64>>> {
    let text = fs::read_to_string("/proc/net/dev")?;
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        Some((name.trim().to_owned(), numbers.split_ascii_whitespace().flat_map(str::parse).collect()))
    };
    Ok(text.lines().filter_map(line).collect())
}
