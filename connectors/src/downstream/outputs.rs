//! What a completion reports: plausible, and always the same for the same work.
use domain::command::Command;
use domain::order::Values;
use domain::{Json, TaskId};
use uuid::Uuid;

/// The values of the named outputs. They depend on the order, the task (else the item) and the output's name; so a repeated or redone
/// command reports the same, and two units of one item do not.
pub(super) fn values(command: &Command, names: Option<&[String]>) -> Values {
    let subject = match (command.task_id, &command.item_id) {
        (Some(task), _) => task.to_string(),
        (None, Some(item)) => item.0.clone(),
        (None, None) => TaskId(Uuid::nil()).to_string(),
    };
    let generic = [format!("{}Reference", command.name)];
    let value = |name: &String| {
        let place = format!("{}\u{1f}{subject}\u{1f}{name}", command.order_key);
        (name.clone(), value(name, Uuid::new_v5(&Uuid::NAMESPACE_OID, place.as_bytes()).as_u128()))
    };
    names.unwrap_or(&generic).iter().map(value).collect()
}

/// One value by the words in its name.
fn value(name: &str, entropy: u128) -> Json {
    let lower = name.to_ascii_lowercase();
    let byte = |at: u32| (entropy >> (8 * at)) as u8;
    let text = if lower.contains("ipv6") {
        format!("2001:db8:{:x}:{:x}::1", entropy as u16, (entropy >> 16) as u16)
    } else if lower.contains("gateway") {
        format!("198.18.{}.1", byte(0))
    } else if lower.contains("ipaddress") || lower == "ip" {
        // 198.18.0.0/15 is set aside for tests of networks (RFC 2544).
        format!("198.{}.{}.{}", 18 + (byte(2) & 1), byte(1), byte(0).clamp(2, 254))
    } else if lower.contains("mac") && lower.contains("address") {
        format!("02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", byte(0), byte(1), byte(2), byte(3), byte(4))
    } else if lower.contains("vlan") {
        return Json::from(i64::from(entropy as u16 % 4_000) + 2);
    } else if lower.contains("msisdn") || lower.contains("phone") {
        format!("+49 1555 {:07}", entropy % 10_000_000)
    } else if lower.contains("iccid") {
        format!("8949{:015}", entropy % 1_000_000_000_000_000)
    } else if lower.contains("imsi") {
        format!("26299{:010}", entropy % 10_000_000_000)
    } else if lower.contains("port") {
        format!("OLT-{:02}/{}/{}", byte(0) % 40, byte(1) % 8, byte(2) % 16)
    } else if lower.contains("date") || lower.contains("slot") || lower.ends_with("at") {
        format!("2099-{:02}-{:02}T{:02}:00:00.000Z", byte(0) % 12 + 1, byte(1) % 28 + 1, byte(2) % 10 + 8)
    } else {
        format!("{}-{:08}", initials(name), entropy % 100_000_000)
    };
    Json::from(text.as_str())
}

/// `billingAccountId` → `BA`: the first letter of each word, a trailing `Id` left out.
fn initials(name: &str) -> String {
    let stem = name.strip_suffix("Id").filter(|stem| !stem.is_empty()).unwrap_or(name);
    let first = stem.chars().next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(stem.chars().skip(1).filter(char::is_ascii_uppercase)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_looks_like_what_its_name_says() {
        let check = |name: &str, start: &str| {
            let shown = value(name, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef).shown();
            assert!(shown.starts_with(start), "{name}: {shown}");
        };
        check("ipAddress", "198.1");
        check("ipv6Prefix", "2001:db8:");
        check("portId", "OLT-");
        check("billingAccountId", "BA-");
        check("trackingId", "T-");
        check("circuitId", "C-");
        check("msisdn", "+49");
        check("appointmentDate", "2099-");
        assert!(value("vlanId", 7).value().is_i64());
        assert_eq!(value("circuitId", 1), value("circuitId", 1));
        assert_ne!(value("circuitId", 1), value("circuitId", 2));
    }
}
