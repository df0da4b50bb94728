//! Cities, and the parts from which street addresses are invented.
//!
//! Invariant: cities are real, streets are put together from invented stems, and postal codes have the form and the
//! area letters or digits of the city, the rest random.

/// A country of the provider's fictional region.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Country {
    /// United States.
    Us,
    /// United Kingdom.
    Uk,
    /// Germany.
    De,
    /// France.
    Fr,
    /// Spain.
    Es,
}

/// A city of the United States: name, state, telephone area, first three digits of the ZIP code.
pub(crate) const US_CITIES: &[[&str; 4]] = &[
    ["Portland", "ME", "207", "041"],
    ["Boston", "MA", "617", "021"],
    ["Providence", "RI", "401", "029"],
    ["New London", "CT", "860", "063"],
    ["Baltimore", "MD", "410", "212"],
    ["Norfolk", "VA", "757", "235"],
    ["Wilmington", "NC", "910", "284"],
    ["Charleston", "SC", "843", "294"],
    ["Savannah", "GA", "912", "314"],
    ["Jacksonville", "FL", "904", "322"],
    ["Tampa", "FL", "813", "336"],
    ["Pensacola", "FL", "850", "325"],
    ["Mobile", "AL", "251", "366"],
    ["New Orleans", "LA", "504", "701"],
    ["Galveston", "TX", "409", "775"],
    ["Corpus Christi", "TX", "361", "784"],
    ["San Diego", "CA", "619", "921"],
    ["Long Beach", "CA", "562", "908"],
    ["Oakland", "CA", "510", "946"],
    ["Eureka", "CA", "707", "955"],
    ["Seattle", "WA", "206", "981"],
    ["Tacoma", "WA", "253", "984"],
    ["Anchorage", "AK", "907", "995"],
    ["Honolulu", "HI", "808", "968"],
    ["Duluth", "MN", "218", "558"],
    ["Milwaukee", "WI", "414", "532"],
    ["Cleveland", "OH", "216", "441"],
    ["Buffalo", "NY", "716", "142"],
    ["Erie", "PA", "814", "165"],
    ["Toledo", "OH", "419", "436"],
];

/// A city of the United Kingdom: name, letters of the postal area.
pub(crate) const UK_CITIES: &[[&str; 2]] = &[
    ["Liverpool", "L"],
    ["Hull", "HU"],
    ["Plymouth", "PL"],
    ["Portsmouth", "PO"],
    ["Southampton", "SO"],
    ["Bristol", "BS"],
    ["Cardiff", "CF"],
    ["Swansea", "SA"],
    ["Glasgow", "G"],
    ["Aberdeen", "AB"],
    ["Dundee", "DD"],
    ["Edinburgh", "EH"],
    ["Inverness", "IV"],
    ["Belfast", "BT"],
    ["Newcastle upon Tyne", "NE"],
    ["Sunderland", "SR"],
    ["Whitby", "YO"],
    ["Grimsby", "DN"],
    ["Ipswich", "IP"],
    ["Norwich", "NR"],
    ["Dover", "CT"],
    ["Brighton", "BN"],
    ["Exeter", "EX"],
    ["Truro", "TR"],
    ["Bournemouth", "BH"],
    ["Leeds", "LS"],
    ["Sheffield", "S"],
    ["Nottingham", "NG"],
    ["Leicester", "LE"],
    ["Manchester", "M"],
];

/// Cities of Germany.
pub(crate) const DE_CITIES: &[&str] = &[
    "Hamburg",
    "Bremen",
    "Kiel",
    "Lübeck",
    "Rostock",
    "Wilhelmshaven",
    "Emden",
    "Cuxhaven",
    "Flensburg",
    "Stralsund",
    "Köln",
    "Düsseldorf",
    "Münster",
    "Leipzig",
    "Würzburg",
    "Mainz",
    "Koblenz",
    "Göttingen",
    "Oldenburg",
    "Bremerhaven",
];

/// Cities of France.
pub(crate) const FR_CITIES: &[&str] = &[
    "Marseille",
    "Le Havre",
    "Brest",
    "Nantes",
    "Saint-Malo",
    "La Rochelle",
    "Bordeaux",
    "Dunkerque",
    "Calais",
    "Rouen",
    "Toulon",
    "Lorient",
    "Cherbourg",
    "Bayonne",
    "Montpellier",
    "Rennes",
    "Lyon",
    "Grenoble",
    "Angers",
    "Quimper",
];

/// Cities of Spain.
pub(crate) const ES_CITIES: &[&str] = &[
    "Bilbao",
    "Santander",
    "Gijón",
    "A Coruña",
    "Vigo",
    "Cádiz",
    "Málaga",
    "Almería",
    "Cartagena",
    "Alicante",
    "Valencia",
    "Tarragona",
    "Barcelona",
    "Sevilla",
    "Huelva",
    "Oviedo",
    "San Sebastián",
    "Zaragoza",
    "Granada",
    "Murcia",
];

/// First halves of street names.
pub(crate) const STREET_STEMS: &[&str] = &[
    "Ash", "Birch", "Corn", "Dray", "Elder", "Fern", "Gull", "Heron", "Iron", "Juniper", "Kelp", "Lantern", "Marl",
    "Netting", "Otter", "Pebble", "Quill", "Rook", "Salt", "Thistle", "Umber", "Vine", "Wherry", "Yarrow",
];

/// Second halves of street names.
pub(crate) const STREET_ENDS: &[&str] =
    &["gate", "holm", "wick", "combe", "thorpe", "ridge", "mere", "stead", "croft", "well", "bury", "marsh"];

/// Kinds of street in the United States.
pub(crate) const US_STREETS: &[&str] = &["Street", "Avenue", "Road", "Lane", "Drive", "St", "Ave", "Blvd", "Court"];

/// Kinds of street in the United Kingdom.
pub(crate) const UK_STREETS: &[&str] = &["Street", "Road", "Lane", "Terrace", "Close", "Gardens", "Way", "Crescent"];
