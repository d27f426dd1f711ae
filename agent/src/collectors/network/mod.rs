//! Interfaces, protocols, sockets.

mod arp;
mod bonding;
mod conntrack;
mod dns;
mod ethtool;
mod infiniband;
mod ipvs;
mod lnstat;
mod mountstats;
mod napi;
mod netclass;
mod netdev;
mod netdev_queues;
mod netfilter_queue;
mod netstat;
mod network_route;
mod nfs;
mod nfsd;
mod packet_drops;
mod qdisc;
mod socket_drops;
mod sockstat;
mod softnet;
mod tcp_connections;
mod tcp_events;
mod tcp_rtt;
mod tcpstat;
mod udp_queues;
mod wifi;
mod xfrm;

super::register! {
    "network":
    arp::Arp,
    bonding::Bonding,
    conntrack::Conntrack,
    dns::Dns,
    ethtool::EthtoolStatistics,
    infiniband::Infiniband,
    ipvs::Ipvs,
    lnstat::Lnstat,
    mountstats::Mountstats,
    napi::Napi,
    netclass::Netclass,
    netdev::Netdev,
    netdev_queues::NetdevQueues,
    netfilter_queue::NetfilterQueue,
    netstat::Netstat,
    network_route::NetworkRoute,
    nfs::Nfs,
    nfsd::Nfsd,
    packet_drops::PacketDrops,
    qdisc::Qdiscs,
    socket_drops::SocketDrops,
    sockstat::Sockstat,
    softnet::Softnet,
    tcp_connections::TcpConnections,
    tcp_events::TcpEvents,
    tcp_rtt::TcpRtt,
    tcpstat::Tcpstat,
    udp_queues::UdpQueues,
    wifi::WifiStations,
    xfrm::Xfrm,
}
