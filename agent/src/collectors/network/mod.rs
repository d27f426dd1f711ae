//! Interfaces, protocols, sockets.
super::collectors! { "network": arp::Arp, bonding::Bonding, conntrack::Conntrack, infiniband::Infiniband, ipvs::Ipvs, netclass::Netclass, netdev::Netdev, netstat::Netstat, nfs::Nfs, nfsd::Nfsd, sockstat::Sockstat, softnet::Softnet, udp_queues::UdpQueues }
