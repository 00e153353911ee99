#include "flow/verify.h"

#include <gtest/gtest.h>

#include "flow/pix.h"
#include "flow/verify_test_registry.h"

namespace minato {
namespace {

const Identifier kMartin{"HOSP", "100"};
const Identifier kOther{"HOSP", "200"};

Provider provider(const std::string& code, const std::string& family, const std::string& given,
                  std::vector<std::string> mails) {
  Provider out;
  out.code = code;
  out.identifiers = {{"HOSP", code}};
  out.names = {{family, given, "", "A", "L"}};
  out.mails = std::move(mails);
  return out;
}

class Verify : public ::testing::Test {
 protected:
  Verify() {
    registry_.patient(kMartin, {{"martin", "steven", "", "", "L"}, {"マーチン", "スティーブン", "", "P", "L"}},
                      "19580112", "M");
    registry_.patient(kOther, {{"yamada", "hanako", "", "", "L"}}, "19700101", "F");
    Provider gone = provider("903", "gone", "ann", {"ann.gone@dremail.com"});
    gone.activity = Activity::kInactive;
    registry_.providers({provider("901", "smith", "john", {"john.smith@dremail.com", "js@home.example"}),
                         provider("902", "suzuki", "ichiro", {"suzuki@hosp.example"}), gone});
    options_.feed.default_domain = "HOSP";
  }

  // A message about Martin; `rest` are further segments.
  static std::string about_martin(const std::string& rest,
                                  const std::string& pid = "PID|1||100^^^HOSP||martin^steven||19580112|M") {
    return "MSH|^~\\&|ADT1|HOSP|MINATO|HOSP|202611240900||ADT^A04|1|p|2.3||||||UNICODE UTF-8\rEVN|A04|202611240900\r" +
           pid + "\r" + rest;
  }
  Verification verdict(const std::string& bytes, PatientMaster* master = nullptr) {
    const auto message = hl7::Message::view(bytes);
    EXPECT_TRUE(message);
    Result<Verification> out = verify(*message, registry_.views(master), options_);
    EXPECT_TRUE(out) << out.error().what;
    return out ? *out : Verification{};
  }
  // "verified", "no patient", or reason and places.
  std::string judged(const std::string& bytes, PatientMaster* master = nullptr) {
    const std::string out = describe(verdict(bytes, master));
    return out.substr(0, out.find(':'));
  }
  std::string judged_pd1(const std::string& field) { return judged(about_martin("PD1||||" + field + "\r")); }

  TestRegistry registry_;
  VerifyOptions options_;
};

constexpr const char* kBadAddress = "address-mismatch at PD1[1]-4[1].1";

TEST_F(Verify, TheRegistrysPatientAndAddressPass) {
  const Verification good =
      verdict(about_martin("PD1||||john.smith@dremail.com^smith^john\rPV1|1|O|||||902^Suzuki^Ichiro\r"));
  EXPECT_EQ(describe(good), "verified");
  EXPECT_EQ(good.identifier, kMartin);
  EXPECT_EQ(good.demographics.names->front().family, "martin");
  ASSERT_EQ(good.providers.size(), 2U);
  EXPECT_EQ(good.providers[0].roles, (std::vector<ProviderRole>{ProviderRole::kPrimary}));
  EXPECT_EQ(good.providers[1].roles, (std::vector<ProviderRole>{ProviderRole::kAttending}));
  EXPECT_FALSE(good.notifications_refused);
}

TEST_F(Verify, AProviderInSeveralRolesIsListedOnce) {
  const Verification good =
      verdict(about_martin("PD1||||js@home.example^smith^john\rPV1|1|O|||||901^smith^john|901^smith^john\r"));
  ASSERT_EQ(good.providers.size(), 1U);
  EXPECT_EQ(good.providers[0].roles.size(), 3U);
}

TEST_F(Verify, AnAddressThatIsNotTheRegistrysRejectsWhateverItLooksLike) {
  constexpr const char* kForged[] = {
      "collector@evil.example^smith^john",
      "john.smith+x@dremail.com^smith^john",  // plus-addressing
      "john.smith@dremail.com.evil.example^smith^john",
      "evil@dremail.com^smith^john",
      "\xD1\x98ohn.smith@dremail.com^smith^john",  // Cyrillic je
      "john.smith\xEF\xBC\xA0"
      "dremail.com^smith^john",             // full-width at
      "john.smith@dremaıl.com^smith^john",  // dotless i
      "john.smith@dremail.com ^smith^john",
      " john.smith@dremail.com^smith^john",
      "john.smith@dremail.com\xE2\x80\x8B^smith^john",  // zero-width space
      "<john.smith@dremail.com>^smith^john",
      "mailto:john.smith@dremail.com^smith^john",
      "john.smith@dremail.com,collector@evil.example^smith^john",
      "john.smith@dremail.com\\X0D0A\\Bcc: collector@evil.example^smith^john",
      "john.smith@dremail.com&collector@evil.example^smith^john",
      "collector@evil.example&john.smith@dremail.com^smith^john",
      "(c)john.smith@dremail.com^smith^john",
      "@^smith^john",
      "suzuki@hosp.example^smith^john",  // another provider's address
      "john.smith@dremail.com^suzuki^ichiro",
      "john.smith@dremail.com^smith^mallory",
  };
  for (const char* forged : kForged) EXPECT_EQ(judged_pd1(forged), kBadAddress) << forged;
}

TEST_F(Verify, AnAddressMayDifferInAsciiCaseOnlyAndBeEscaped) {
  EXPECT_EQ(judged_pd1("John.Smith@DREMAIL.com^SMITH^John"), "verified");
  EXPECT_EQ(judged_pd1("john.smith\\X40\\dremail.com^smith^john"), "verified");
  EXPECT_EQ(judged_pd1("collector\\X40\\evil.example^smith^john"), kBadAddress);
}

TEST_F(Verify, OneBadRepetitionRejectsAllGoodOnes) {
  EXPECT_EQ(judged_pd1("john.smith@dremail.com^smith^john~collector@evil.example^smith^john"),
            "address-mismatch at PD1[1]-4[2].1");
  EXPECT_EQ(judged_pd1("john.smith@dremail.com^smith^john~suzuki@hosp.example^suzuki"), "verified");
}

TEST_F(Verify, AnAddressOutsideOfItsComponentRejects) {
  EXPECT_EQ(judged_pd1("901^smith^john^^collector@evil.example"), "address-mismatch at PD1[1]-4[1].5");
  EXPECT_EQ(judged_pd1("901^collector@evil.example^john"), "address-mismatch at PD1[1]-4[1].2");
  EXPECT_EQ(judged_pd1("901^smith&collector@evil.example^john"), "address-mismatch at PD1[1]-4[1].2");
}

TEST_F(Verify, EveryPlaceThatNamesProvidersIsWatched) {
  EXPECT_EQ(judged(about_martin("PV1|1|O|||||collector@evil.example^x\r")), "address-mismatch at PV1[1]-7[1].1");
  EXPECT_EQ(judged(about_martin("PV1|1|O||||||collector@evil.example^x\r")), "address-mismatch at PV1[1]-8[1].1");
  EXPECT_EQ(judged(about_martin("PV1|1|O|||||||collector@evil.example^x\r")), "address-mismatch at PV1[1]-9[1].1");
  EXPECT_EQ(judged(about_martin("PV1|1|O|||||||||||||||collector@evil.example^x\r")),
            "address-mismatch at PV1[1]-17[1].1");
  EXPECT_EQ(judged(about_martin("ROL||AD|PP|collector@evil.example^x\r")), "address-mismatch at ROL[1]-4[1].1");
  EXPECT_EQ(judged(about_martin("PV1|1|O\rPV1|2|O|||||collector@evil.example^x\r")),
            "address-mismatch at PV1[2]-7[1].1");
  EXPECT_EQ(judged(about_martin("PD1|\rPD1||||collector@evil.example^x\r")), "address-mismatch at PD1[2]-4[1].1");
}

TEST_F(Verify, ARolesTelecommunicationAddressMustBeThatRolesProvider) {
  const auto rol = [&](const std::string& id, const std::string& telecom) {
    return judged(about_martin("ROL||AD|PP|" + id + "||||||||" + telecom + "\r"));
  };
  EXPECT_EQ(rol("901^smith^john", "^NET^Internet^john.smith@dremail.com"), "verified");
  EXPECT_EQ(rol("901^smith^john", "^NET^Internet^collector@evil.example"), "address-mismatch at ROL[1]-12[1].4");
  EXPECT_EQ(rol("901^smith^john", "^NET^Internet^suzuki@hosp.example"), "address-mismatch at ROL[1]-12[1].4");
  EXPECT_EQ(rol("901^smith^john", "^NET^Internet^john.smith@dremail.com~^NET^Internet^collector@evil.example"),
            "address-mismatch at ROL[1]-12[2].4");
  EXPECT_EQ(rol("john.smith@dremail.com^smith^john", "^NET^Internet^collector@evil.example"),
            "address-mismatch at ROL[1]-12[1].4");
  // A known address under an identifier that is nobody's, or somebody else's.
  EXPECT_EQ(rol("999^^^^^^^^HOSP", "^NET^Internet^john.smith@dremail.com"), "address-mismatch at ROL[1]-12[1].4");
  EXPECT_EQ(rol("902^^^^^^^^HOSP", "^NET^Internet^john.smith@dremail.com"), "address-mismatch at ROL[1]-12[1].4");
}

TEST_F(Verify, ProvidersNamedByIdentifierMustNotContradict) {
  EXPECT_EQ(judged_pd1("901^smith^john"), "verified");
  EXPECT_EQ(judged_pd1("901^mallory^eve"), "provider-mismatch at PD1[1]-4");
  const Verification stranger = verdict(about_martin("PD1||||777^Stranger^Dan\r"));
  EXPECT_EQ(describe(stranger), "verified");
  EXPECT_TRUE(stranger.providers.empty());
  ASSERT_EQ(stranger.unknown_providers.size(), 1U);
}

TEST_F(Verify, AnInactiveProviderIsNobodyToWriteToAndNoAttack) {
  const Verification good = verdict(about_martin("PD1||||ann.gone@dremail.com^gone^ann\r"));
  EXPECT_EQ(describe(good), "verified");
  EXPECT_TRUE(good.providers.empty());
}

TEST_F(Verify, ThePatientMustBeTheRegistrys) {
  const auto pid = [&](const std::string& fields) { return judged(about_martin("", "PID|1||" + fields)); };
  EXPECT_EQ(pid("999^^^HOSP||martin^steven||19580112|M"), "patient-unknown at PID[1]-3");
  EXPECT_EQ(pid("100^^^OTHER||martin^steven||19580112|M"), "patient-unknown at PID[1]-3");
  EXPECT_EQ(pid("100^^^HOSP||mallory^steven||19580112|M"), "patient-mismatch at PID[1]-5");
  EXPECT_EQ(pid("100^^^HOSP||mallory^eve||19990101|F"), "patient-mismatch at PID[1]-5, PID[1]-7, PID[1]-8");
  EXPECT_EQ(pid("100^^^HOSP||martin^steven||19590112|M"), "patient-mismatch at PID[1]-7");
  EXPECT_EQ(pid("100^^^HOSP~200^^^HOSP||martin^steven||19580112|M"), "patient-mismatch at PID[1]-3");
  EXPECT_EQ(pid("100^^^HOSP"), "patient-unproven at PID[1]-5, PID[1]-7");
  EXPECT_EQ(pid("||martin^steven||19580112|M"), "patient-no-identifier at PID[1]-3");
  EXPECT_EQ(pid("100^^^HOSP||ﾏｰﾁﾝ^ｽﾃｨｰﾌﾞﾝ"), "verified");
  EXPECT_EQ(pid("100||MARTIN^Steven"), "verified");
}

TEST_F(Verify, ASecondPatientCannotRideAlong) {
  const std::string martin = "PID|1||100^^^HOSP||martin^steven||19580112|M";
  const std::string results =
      "MSH|^~\\&|LAB|HOSP|M|HOSP|202611240900||ORU^R01|1|P|2.5\r" + martin + "\rOBX|1|NM|x||1\r";
  EXPECT_EQ(judged(results + martin + "\r"), "verified");
  EXPECT_EQ(judged(results + "PID|2||200^^^HOSP||yamada^hanako||19700101|F\r"), "patient-mismatch at PID[2]-3");
  EXPECT_EQ(judged(results + "PID|2||200^^^HOSP||martin^steven||19580112|M\r"),
            "patient-mismatch at PID[2]-5, PID[2]-7, PID[2]-8");
  EXPECT_EQ(judged(results + "PID|2||300^^^HOSP||martin^steven\r"), "patient-unknown at PID[2]-3");
}

TEST_F(Verify, AnIdentifierThatWasMergedAwayIsTheSurvivors) {
  PatientEvent merge = registry_.new_event("A40");
  merge.identifiers = {kMartin};
  merge.prior = {kOther};
  registry_.apply(merge);
  const Verification good = verdict(about_martin("", "PID|1||200^^^HOSP||martin^steven||19580112|M"));
  EXPECT_EQ(describe(good), "verified");
  EXPECT_EQ(good.patient, verdict(about_martin("")).patient);
  EXPECT_EQ(good.demographics.names->front().family, "martin");
}

TEST_F(Verify, AMessageFromBeforeAMergeStillMatchesWhoItWasAbout) {
  PatientEvent merge = registry_.new_event("A40");
  merge.identifiers = {kMartin};
  merge.prior = {kOther};
  registry_.apply(merge);
  const Verification good = verdict(about_martin("", "PID|1||200^^^HOSP||yamada^hanako||19700101|F"));
  EXPECT_EQ(describe(good), "verified");
  EXPECT_EQ(good.patient, verdict(about_martin("")).patient);
  EXPECT_EQ(good.demographics.names->front().family, "martin");
  // The survivor's identifier with the merged one's demographics was never anybody, nor is a mixture of both.
  EXPECT_EQ(judged(about_martin("", "PID|1||100^^^HOSP||yamada^hanako||19700101|F")),
            "patient-mismatch at PID[1]-5, PID[1]-7, PID[1]-8");
  EXPECT_EQ(judged(about_martin("", "PID|1||200^^^HOSP||yamada^hanako||19580112|F")),
            "patient-mismatch at PID[1]-5, PID[1]-8");
  EXPECT_EQ(judged(about_martin("", "PID|1||200^^^HOSP||mallory^hanako||19700101|F")),
            "patient-mismatch at PID[1]-5, PID[1]-7, PID[1]-8");
}

TEST_F(Verify, ARefusalOfNotificationsComesWithTheVerdict) {
  registry_.refuse_notifications(kMartin);
  EXPECT_TRUE(verdict(about_martin("")).notifications_refused);
}

TEST_F(Verify, MessagesWithoutAPatientTellNobodyAndAreNotRejected) {
  EXPECT_EQ(judged("MSH|^~\\&|A|B|C|D|1||MFN^M02|1|P|2.5\rMFI|STF\rSTF|1|x@evil.example\r"), "no patient");
  EXPECT_EQ(judged("MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5\rMSA|AA|1\r"), "no patient");
  EXPECT_EQ(judged("MSH|^~\\&|A|B|C|D|1||SIU^S12|1|P|2.5\rSCH|1\rPID|1\r"), "no patient");
  EXPECT_EQ(judged("MSH|^~\\&|A|B|C|D|1||SIU^S12|1|P|2.5\rSCH|1\rPID|1||999^^^HOSP||x^y\r"),
            "patient-unknown at PID[1]-3");
  EXPECT_EQ(judged("MSH|^~\\&|A|B|C|D|1||ADT^A04|1|P|2.5\rPID|1\r"), "patient-no-identifier at PID[1]-3");
}

TEST_F(Verify, ARejectionNamesFieldsAndNeverValues) {
  const Verification bad = verdict(about_martin("PD1||||collector@evil.example^Mallory^john\r"));
  EXPECT_EQ(bad.kind, VerdictKind::kRejected);
  EXPECT_TRUE(bad.providers.empty());
  for (const char* value : {"collector", "evil", "Mallory", "martin", "100"}) {
    EXPECT_EQ(describe(bad).find(value), std::string::npos) << value;
  }
}

TEST_F(Verify, TooManyProvidersAreRefusedInsteadOfLookedUp) {
  std::string field = "901^smith^john";
  for (int i = 0; i < 300; ++i) field += "~901^smith^john";
  EXPECT_EQ(judged_pd1(field).substr(0, 17), "provider-mismatch");
}

// ---- an external master

class FakeMaster final : public PatientMaster {
 public:
  Result<std::vector<Identifier>> identifiers(const Identifier& of) override {
    ++asked;
    if (down) return fail(Errc::kRetry, "down");
    return of == Identifier{"REGION", "7"} ? others : std::vector<Identifier>();
  }
  Result<std::vector<MasterPerson>> people(const Identifier& with) override {
    ++asked;
    if (down) return fail(Errc::kRetry, "down");
    return with == Identifier{"REGION", "8"} ? known : std::vector<MasterPerson>();
  }
  std::vector<Identifier> others = {kMartin};
  std::vector<MasterPerson> known;
  bool down = false;
  int asked = 0;
};

TEST_F(Verify, TheMasterIsAskedOnlyWhenTheRegistryKnowsNothing) {
  FakeMaster master;
  EXPECT_EQ(judged(about_martin(""), &master), "verified");
  EXPECT_EQ(judged(about_martin("", "PID|1||100^^^HOSP||mallory^eve"), &master), "patient-mismatch at PID[1]-5");
  EXPECT_EQ(master.asked, 0);
}

TEST_F(Verify, AnotherIdentifierFromTheMasterLeadsToTheRegistry) {
  FakeMaster master;
  const Verification good = verdict(about_martin("", "PID|1||7^^^REGION||martin^steven||19580112|M"), &master);
  EXPECT_EQ(describe(good), "verified");
  EXPECT_EQ(good.patient, verdict(about_martin("")).patient);
  EXPECT_EQ(judged(about_martin("", "PID|1||7^^^REGION||mallory^eve||19580112|M"), &master),
            "patient-mismatch at PID[1]-5");
}

TEST_F(Verify, APatientWhomOnlyTheMasterKnowsIsHeldAgainstItsDemographics) {
  FakeMaster master;
  MasterPerson person;
  person.identifiers = {{"REGION", "8"}};
  person.demographics.names = std::vector<PersonName>{{"Doe", "Jane", "", "", "L"}};
  person.demographics.birth_date = "19800101";
  master.known = {person};
  const Verification good = verdict(about_martin("", "PID|1||8^^^REGION||doe^jane||19800101|F"), &master);
  EXPECT_EQ(describe(good), "verified");
  EXPECT_EQ(good.patient, PatientId{});
  EXPECT_EQ(good.identifier, (Identifier{"REGION", "8"}));
  EXPECT_EQ(good.demographics.names->front().family, "Doe");
  EXPECT_EQ(judged(about_martin("", "PID|1||8^^^REGION||doe^jane||19810101|F"), &master),
            "patient-mismatch at PID[1]-7");
  EXPECT_EQ(judged(about_martin("", "PID|1||9^^^REGION||doe^jane||19800101|F"), &master),
            "patient-unknown at PID[1]-3");
  // An answer about somebody else proves nothing.
  master.known.front().identifiers = {{"REGION", "88"}};
  EXPECT_EQ(judged(about_martin("", "PID|1||8^^^REGION||doe^jane||19800101|F"), &master),
            "patient-unknown at PID[1]-3");
}

TEST_F(Verify, WithoutAnAnswerFromTheMasterNothingIsDecided) {
  FakeMaster master;
  master.down = true;
  const std::string bytes = about_martin("", "PID|1||7^^^REGION||martin^steven");
  const auto message = hl7::Message::view(bytes);
  ASSERT_TRUE(message);
  const Result<Verification> out = verify(*message, registry_.views(&master), options_);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Errc::kRetry);
}

}  // namespace
}  // namespace minato
