//! Interfaces, protocols, sockets.
super::collectors! { "network": arp::Arp, conntrack::Conntrack, netclass::Netclass, netdev::Netdev, netstat::Netstat, nfs::Nfs, nfsd::Nfsd, sockstat::Sockstat, softnet::Softnet, udp_queues::UdpQueues }
