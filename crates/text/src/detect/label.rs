//! The kinds of personal data, by name.
//!
//! Invariant: one list makes the constants, [`Label::ALL`] and the descriptions, so none of them can lack a name.
//! Names are Microsoft Presidio's where it has one; those of other numbers follow its pattern, country first.

use serde::Serialize;

/// The kind of personal data, by Presidio's entity name where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Label(pub &'static str);

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Each name with the words that a reader understands, in the plural.
macro_rules! labels {
    ($($name:ident: $words:literal,)*) => {
        impl Label {
            $(
                #[doc = $words]
                pub const $name: Self = Self(stringify!($name));
            )*

            /// All labels that this version detects.
            pub const ALL: [Self; [$($words),*].len()] = [$(Self::$name),*];

            /// What the label stands for, in words, in the plural; empty for a label that is not one of [`Self::ALL`].
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                    _ => "",
                }
            }
        }
    };
}

labels! {
    EMAIL_ADDRESS: "e-mail addresses",
    PHONE_NUMBER: "telephone numbers",
    TR_PHONE_NUMBER: "Turkish telephone numbers",
    PH_MOBILE_NUMBER: "Philippine mobile numbers",
    CREDIT_CARD: "payment card numbers",
    CRYPTO: "addresses of cryptocurrency wallets",
    IBAN_CODE: "bank accounts as IBAN",
    IP_ADDRESS: "IPv4 and IPv6 addresses",
    MAC_ADDRESS: "hardware addresses of devices",
    URL: "web addresses, host names",
    UUID: "universally unique identifiers",
    CREDENTIAL: "passwords, keys and tokens",
    PERSON: "names of people",
    LOCATION: "places; postal addresses",
    ORGANIZATION: "companies, bodies and teams",
    USERNAME: "user names and handles",
    DATE_TIME: "dates and times",
    AGE: "ages of people",
    MEDICAL_RECORD_NUMBER: "numbers of medical records and patients",
    HEALTH_PLAN_NUMBER: "numbers of health plan members and insurance policies",
    ACCOUNT_NUMBER: "numbers of accounts, customers, staff and students",
    VEHICLE_ID: "vehicle identification numbers and registration marks",
    DEVICE_ID: "IMEI and serial numbers of devices",
    US_SSN: "US social security numbers",
    US_ITIN: "US individual taxpayer numbers",
    US_PASSPORT: "US passport numbers",
    US_DRIVER_LICENSE: "US driver's license numbers",
    US_BANK_NUMBER: "US bank account numbers",
    ABA_ROUTING_NUMBER: "US bank routing numbers",
    US_NPI: "US national provider identifiers",
    US_MBI: "US Medicare beneficiary identifiers",
    MEDICAL_LICENSE: "US DEA registration numbers, Spanish numbers of physicians",
    UK_NHS: "UK NHS numbers",
    UK_NINO: "UK national insurance numbers",
    UK_PASSPORT: "UK passport numbers",
    UK_POSTCODE: "UK postcodes",
    UK_DRIVING_LICENCE: "UK driving licence numbers",
    UK_VEHICLE_REGISTRATION: "UK number plates",
    IE_PPS: "Irish personal public service numbers",
    CA_SIN: "Canadian social insurance numbers",
    AU_ABN: "Australian business numbers",
    AU_ACN: "Australian company numbers",
    AU_MEDICARE: "Australian Medicare numbers",
    AU_TFN: "Australian tax file numbers",
    NZ_IRD: "New Zealand tax numbers",
    DE_TAX_ID: "German tax identification numbers",
    DE_TAX_NUMBER: "German tax numbers",
    DE_VAT_ID: "German VAT numbers",
    DE_SOCIAL_SECURITY: "German pension insurance numbers",
    DE_HEALTH_INSURANCE: "German health insurance numbers",
    DE_ID_CARD: "German identity card numbers",
    DE_PASSPORT: "German passport numbers",
    DE_FUEHRERSCHEIN: "German driving licence numbers",
    DE_KFZ: "German number plates",
    DE_PLZ: "German postcodes",
    DE_HANDELSREGISTER: "German company register numbers",
    DE_LANR: "German numbers of physicians",
    DE_BSNR: "German numbers of medical practices",
    AT_SVNR: "Austrian social insurance numbers",
    CH_AHV: "Swiss AHV numbers",
    FR_NIR: "French social security numbers",
    FR_SIREN: "French company numbers",
    FR_SIRET: "French establishment numbers",
    BE_NRN: "Belgian national register numbers",
    NL_BSN: "Dutch citizen service numbers",
    ES_NIF: "Spanish identity and tax numbers",
    ES_NIE: "Spanish numbers of foreigners",
    ES_SOCIAL_SECURITY: "Spanish social security numbers",
    ES_PASSPORT: "Spanish passport numbers",
    PT_NIF: "Portuguese tax numbers",
    IT_FISCAL_CODE: "Italian fiscal codes",
    IT_VAT_CODE: "Italian VAT numbers",
    IT_DRIVER_LICENSE: "Italian driving licence numbers",
    IT_IDENTITY_CARD: "Italian identity card numbers",
    IT_PASSPORT: "Italian passport numbers",
    PL_PESEL: "Polish PESEL numbers",
    FI_PERSONAL_IDENTITY_CODE: "Finnish personal identity codes",
    SE_PERSONNUMMER: "Swedish personal identity numbers",
    SE_ORGANISATIONSNUMMER: "Swedish organisation numbers",
    NO_FODSELSNUMMER: "Norwegian birth numbers",
    DK_CPR: "Danish civil registration numbers",
    TR_NATIONAL_ID: "Turkish identity numbers",
    TR_LICENSE_PLATE: "Turkish number plates",
    IL_ID: "Israeli identity numbers",
    IN_AADHAAR: "Indian Aadhaar numbers",
    IN_PAN: "Indian permanent account numbers",
    IN_GSTIN: "Indian goods and services tax numbers",
    IN_PASSPORT: "Indian passport numbers",
    IN_VOTER: "Indian voter card numbers",
    IN_VEHICLE_REGISTRATION: "Indian number plates",
    KR_RRN: "South Korean resident registration numbers",
    KR_FRN: "South Korean foreigner registration numbers",
    KR_BRN: "South Korean business registration numbers",
    KR_DRIVER_LICENSE: "South Korean driver's license numbers",
    KR_PASSPORT: "South Korean passport numbers",
    SG_NRIC_FIN: "Singaporean NRIC and FIN numbers",
    SG_UEN: "Singaporean entity numbers",
    TH_TNIN: "Thai identity numbers",
    PH_TIN: "Philippine taxpayer numbers",
    CN_RESIDENT_ID: "Chinese resident identity numbers",
    HK_ID_CARD: "Hong Kong identity card numbers",
    JP_MY_NUMBER: "Japanese individual numbers",
    ZA_ID_NUMBER: "South African identity numbers",
    NG_NIN: "Nigerian identity numbers",
    NG_VEHICLE_REGISTRATION: "Nigerian number plates",
    BR_CPF: "Brazilian CPF numbers",
    BR_CNPJ: "Brazilian CNPJ numbers",
    MX_CURP: "Mexican CURP codes",
    MX_RFC: "Mexican RFC tax codes",
    AR_CUIT: "Argentine CUIT and CUIL numbers",
    CL_RUT: "Chilean RUT numbers",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_upper_case_and_differ() {
        let names: BTreeSet<&str> = Label::ALL.iter().map(|label| label.0).collect();
        assert_eq!(names.len(), Label::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')));
        assert_eq!(Label::US_SSN.description(), "US social security numbers");
        assert_eq!(Label("NO_SUCH").description(), "");
    }
}
