//! Ranges of virtual IPs for services, as flags.

use std::str::FromStr;

use change::addresses::Ranges;
use model::{AddressRange, InvalidRange};

/// Which virtual IPs services get that have none.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Vips {
    /// Tag-based services get virtual IPs of this range, with port 80; `off`: they get none
    #[arg(
        long,
        value_name = "CIDR",
        default_value = "240.0.0.0/8",
        env = "MESHTCP_TAG_VIPS",
        help_heading = "Virtual IPs",
        hide_short_help = true
    )]
    tag_vips: Choice,
    /// MeshServices get virtual IPs of this range; `off`: they get none
    #[arg(
        long,
        value_name = "CIDR",
        default_value = "241.0.0.0/8",
        env = "MESHTCP_SERVICE_VIPS",
        help_heading = "Virtual IPs",
        hide_short_help = true
    )]
    service_vips: Choice,
    /// MeshExternalServices get virtual IPs of this range; `off`: they get none
    #[arg(
        long,
        value_name = "CIDR",
        default_value = "242.0.0.0/8",
        env = "MESHTCP_EXTERNAL_SERVICE_VIPS",
        help_heading = "Virtual IPs",
        hide_short_help = true
    )]
    external_service_vips: Choice,
    /// MeshMultiZoneServices get virtual IPs of this range; `off`: they get none
    #[arg(
        long,
        value_name = "CIDR",
        default_value = "243.0.0.0/8",
        env = "MESHTCP_MULTI_ZONE_SERVICE_VIPS",
        help_heading = "Virtual IPs",
        hide_short_help = true
    )]
    multi_zone_service_vips: Choice,
}

/// Range of addresses, or none.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Of(AddressRange),
    Off,
}

impl FromStr for Choice {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self::Off) } else { text.parse().map(Self::Of) }
    }
}

impl Vips {
    pub(crate) fn ranges(&self) -> Ranges {
        let range = |choice| match choice {
            Choice::Of(range) => Some(range),
            Choice::Off => None,
        };
        Ranges {
            tags: range(self.tag_vips),
            services: range(self.service_vips),
            external: range(self.external_service_vips),
            multi_zone: range(self.multi_zone_service_vips),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        vips: Vips,
    }

    #[test]
    fn the_defaults_are_those_of_the_ranges() {
        let ranges = |words: &[&str]| Command::try_parse_from(words).map(|it| it.vips.ranges());
        assert_eq!(ranges(&["meshtcp"]).unwrap(), Ranges::default());
        let off = [
            "meshtcp",
            "--tag-vips=off",
            "--service-vips=off",
            "--external-service-vips=off",
            "--multi-zone-service-vips=off",
        ];
        assert_eq!(ranges(&off).unwrap(), Ranges::NONE);
        let wrong = ranges(&["meshtcp", "--service-vips", "10.0.0.1/8"]).unwrap_err().to_string();
        assert!(wrong.contains("write e.g. 241.0.0.0/8"), "{wrong}");
    }
}
