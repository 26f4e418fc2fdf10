//! Addresses: `ip("10.0.0.1")`, `ip("10.0.0.1-10.0.0.9")`, `ip("10.0.0.0/8")`, version 4 or 6, looked for in a line or in a label.

use std::net::IpAddr;

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// # Errors
    /// A text for the client.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let wrong = || format!("ip: invalid pattern `{pattern}`: use an address, a range or a CIDR prefix");
        let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| wrong());
        let (first, last) = if let Some((first, last)) = pattern.split_once('-') {
            (address(first)?, address(last)?)
        } else if let Some((base, bits)) = pattern.split_once('/') {
            let bits: u32 = bits.trim().parse().map_err(|_| wrong())?;
            prefix(address(base)?, bits).ok_or_else(wrong)?
        } else {
            (address(pattern)?, address(pattern)?)
        };
        if first.is_ipv4() == last.is_ipv4() && first <= last { Ok(Self { first, last }) } else { Err(wrong()) }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }

    /// Whether the whole text is an address of the range.
    pub fn takes(&self, text: &str) -> bool {
        text.parse().is_ok_and(|address| self.contains(address))
    }

    /// Whether an address of the range stands anywhere in the line.
    pub fn found_in(&self, line: &str) -> bool {
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b'.' || byte == b':';
        let bytes = line.as_bytes();
        let mut at = 0;
        while let Some(start) = bytes[at..].iter().position(|&byte| is_part(byte)).map(|skip| at + skip) {
            let end = bytes[start..].iter().position(|&byte| !is_part(byte)).map_or(bytes.len(), |len| start + len);
            // Both ends stand beside ASCII, which is a boundary of characters.
            if self.found_in_run(line.get(start..end).unwrap_or_default()) {
                return true;
            }
            at = end;
        }
        false
    }

    /// Within a run of hexadecimal digits, dots and colons.
    fn found_in_run(&self, run: &str) -> bool {
        // The longest address: eight groups of four and their colons, or with an IPv4 tail.
        if run.len() < 2 || !run.contains(['.', ':']) {
            return false;
        }
        let trimmed = run.trim_end_matches('.');
        if trimmed.len() <= 45 && (self.takes(trimmed) || self.takes(trimmed.trim_end_matches(':'))) {
            return true;
        }
        // `10.0.0.1:8080` and the like.
        self.first.is_ipv4()
            && trimmed.split(':').any(|part| part.len() <= 15 && self.takes(part.trim_matches(|char: char| !char.is_ascii_digit())))
    }
}

fn prefix(base: IpAddr, bits: u32) -> Option<(IpAddr, IpAddr)> {
    match base {
        IpAddr::V4(base) if bits <= 32 => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let base = u32::from(base);
            Some((IpAddr::V4((base & !host).into()), IpAddr::V4((base | host).into())))
        }
        IpAddr::V6(base) if bits <= 128 => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let base = u128::from(base);
            Some((IpAddr::V6((base & !host).into()), IpAddr::V6((base | host).into())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_wherever_they_stand() {
        for (pattern, line, expect) in [
            ("10.0.0.0/16", "remote=10.0.3.77 msg=x", true),
            ("10.0.0.0/16", "remote=10.1.3.77 msg=x", false),
            ("10.0.0.1-10.0.0.9", "[10.0.0.9]:80", true),
            ("10.0.0.1", "from 10.0.0.1:8080.", true),
            ("10.0.0.1", "from 10.0.0.1.", true),
            ("10.0.0.1", "from 10.0.0.10", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("0.0.0.0/0", "ts=16:36:00.833Z face 1.5 :", false),
            ("2001:db8::/32", "remote=2001:db8::7 x", true),
            ("2001:db8::/32", "remote=2001:db9::7 x", false),
            ("::/0", "ip=::1: refused", true),
            ("::/0", "日志 10.0.0.1", false),
        ] {
            assert_eq!(IpRange::parse(pattern).unwrap().found_in(line), expect, "{pattern} in {line}");
        }
        for wrong in ["", "x", "10.0.0.0/33", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "::/129", "10.0.0.1/"] {
            assert!(IpRange::parse(wrong).is_err(), "{wrong}");
        }
    }
}
