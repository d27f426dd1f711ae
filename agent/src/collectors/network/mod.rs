//! Interfaces, protocols, sockets.
super::collectors! { "network": arp::Arp, netdev::Netdev, netstat::Netstat, sockstat::Sockstat, softnet::Softnet }
