//! Which addresses of the network may be called. Private, local, shared, mapped and special ones may not, unless the
//! operator names their net. <https://www.iana.org/assignments/iana-ipv4-special-registry/>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry/>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Where calls may go.
#[derive(Clone, Debug)]
pub enum Reach {
    /// Public addresses, and these nets.
    World(Vec<IpNet>),
    /// This machine alone, also without TLS: the demo, which talks to itself.
    Loopback,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

/// Everything in IPv4 that is nobody's public address.
const SPECIAL: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),       // this network
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // carrier-grade NAT
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link-local: metadata services of clouds
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 31, 196, 0, 24), // AS112
    v4(192, 88, 99, 0, 24),  // 6to4 relays
    v4(192, 168, 0, 0, 16),  // private
    v4(198, 18, 0, 0, 15),   // benchmarks
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved, broadcast
];

const fn v6(a: u16, b: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}

/// All public IPv6 lies here …
const GLOBAL: Ipv6Net = v6(0x2000, 0, 3);
/// … but for these: addresses that lead to IPv4, and special ones.
const SPECIAL_6: [Ipv6Net; 5] = [
    v6(0x2001, 0, 23),     // protocol assignments, Teredo, ORCHID, benchmarks
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4
    v6(0x2620, 0x4f, 32),  // AS112 and neighbours
    v6(0x3fff, 0, 20),     // documentation
];

impl Reach {
    /// May this address be called? One of IPv4 written as IPv6 is judged as what it is.
    pub fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Reach::Loopback => address.is_loopback(),
            Reach::World(nets) => is_public(address) || nets.iter().any(|net| net.contains(&address)),
        }
    }

    pub(super) fn wants_tls(&self) -> bool {
        matches!(self, Reach::World(_))
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL.contains(&address) && !SPECIAL_6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(reach: &Reach, address: &str) -> bool {
        reach.covers(address.parse().expect("an address"))
    }

    #[test]
    fn what_is_not_public_is_out_of_reach() {
        let world = Reach::World(Vec::new());
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "64:ff9b::808:808",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:a00:1::",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!covers(&world, address), "{address}");
        }
        for address in [
            "8.8.8.8",
            "93.184.216.34",
            "::ffff:93.184.216.34",
            "172.32.0.1",
            "100.128.0.1",
        ] {
            assert!(covers(&world, address), "{address}");
        }
        for address in ["2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001::1"] {
            assert!(covers(&world, address), "{address}");
        }
    }

    #[test]
    fn the_operator_opens_nets_and_the_demo_only_itself() {
        let hospital = Reach::World(vec!["10.20.0.0/16".parse().expect("a net")]);
        assert!(covers(&hospital, "10.20.3.4") && covers(&hospital, "::ffff:10.20.3.4"));
        assert!(!covers(&hospital, "10.21.0.1") && !covers(&hospital, "127.0.0.1"));
        assert!(covers(&Reach::Loopback, "127.0.0.1") && covers(&Reach::Loopback, "::1"));
        assert!(!covers(&Reach::Loopback, "8.8.8.8") && !covers(&Reach::Loopback, "10.0.0.1"));
    }
}
