"""What may take part in reading a free text beside our own layers, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Recogniser(Protocol):
    """Finds identifiers in a free text; `name` is the one that a policy asks for it by."""

    @property
    def name(self) -> str:
        """Such as `presidio.CreditCardRecognizer`."""

    def spans(self, text: str) -> Iterable[tuple[int, int]]:
        """Start and end (code points) of what must not leave."""


_PRESIDIO = """
AbaRouting AuAbn AuAcn AuMedicare AuTfn CaPostalCode CaSin CreditCard Crypto Date DeBsnr DeFuehrerschein
DeHandelsregister DeHealthInsurance DeIdCard DeKfz DeLanr DePassport DePlz DeSocialSecurity DeTaxId DeTaxNumber
DeVatId Email EsNie EsNif EsPassport FiPersonalIdentityCode Iban InAadhaar InGstin InPan InPassport
InVehicleRegistration InVoter Ip ItDriverLicense ItFiscalCode ItIdentityCard ItPassport ItVatCode KrBrn
KrDriverLicense KrFrn KrPassport KrRrn MacAddress MedicalLicense NgNin NgVehicleRegistration Nhs PhPassport PhTin
PhUmid Phone PlPesel SeOrganisationsnummer SePersonnummer SgFin SgUen ThTnin TrLicensePlate TrNationalId
UkDrivingLicence UkNino UkPassport UkPostcode UkVehicleRegistration Url UsBank UsClaimNumber UsHealthInsuranceMemberId
UsItin UsLicense UsMbi UsNpi UsPassport UsPrescriptionNumber UsPriorAuthorizationNumber UsProviderTaxId
UsReferralNumber UsSsn Uuid ZaCompanyRegistration ZaDriverLicense ZaIdNumber ZaIncomeTaxNumber ZaLicensePlate
ZaMobileNumber ZaPassport ZaTelephoneNumber ZaTrafficRegisterNumber ZaVatNumber
"""
RECOGNISERS = tuple(f"presidio.{name}Recognizer" for name in _PRESIDIO.split())
"""What a policy can ask for: Presidio's own that work here, without a model and without a service elsewhere."""
