//! Interfaces, protocols, sockets.
super::collectors! { "network": arp::Arp, netclass::Netclass, netdev::Netdev, netstat::Netstat, sockstat::Sockstat, softnet::Softnet }
