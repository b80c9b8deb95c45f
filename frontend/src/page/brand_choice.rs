//! The choice between the brands of a co-badged card (EU 2015/751, article 8): radio buttons, hidden until the
//! digits leave a choice. The server writes them, the browser fills them in (`browser::networks`).

use leptos::prelude::*;
use shared::networks::MOST;
use shared::{Networks, Text, Texts};

use crate::ui::{self, NETWORK, NETWORKS};

/// The markup of the choice; the first brand is chosen.
pub(super) fn brand_choice(networks: Networks, texts: &Texts) -> String {
    let rows: Vec<_> = (0..MOST).map(|place| row(place, networks)).collect();
    view! {
        <fieldset class="networks" id=NETWORKS hidden=!networks.is_choice()>
            <legend>{texts.get(Text::NetworkChoice).to_owned()}</legend>
            {rows}
        </fieldset>
    }
    .to_html()
}

fn row(place: usize, networks: Networks) -> impl IntoView {
    let brand = networks.at(place);
    view! {
        <label hidden=brand.is_none()>
            <input
                type="radio"
                name=NETWORK
                id=ui::network_id(place)
                value=brand.map_or("", shared::Brand::wire)
                checked=place == 0
            />
            <span>{brand.map_or("", shared::Brand::title)}</span>
        </label>
    }
}
