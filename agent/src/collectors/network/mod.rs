//! Interfaces, protocols, sockets.

mod arp;
mod bonding;
mod conntrack;
mod infiniband;
mod ipvs;
mod netclass;
mod netdev;
mod netstat;
mod nfs;
mod nfsd;
mod packet_drops;
mod sockstat;
mod softnet;
mod udp_queues;

super::register! {
    "network":
    arp::Arp,
    bonding::Bonding,
    conntrack::Conntrack,
    infiniband::Infiniband,
    ipvs::Ipvs,
    netclass::Netclass,
    netdev::Netdev,
    netstat::Netstat,
    nfs::Nfs,
    nfsd::Nfsd,
    packet_drops::PacketDrops,
    sockstat::Sockstat,
    softnet::Softnet,
    udp_queues::UdpQueues,
}
