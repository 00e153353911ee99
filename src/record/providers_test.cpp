#include "record/providers.h"

#include "record/registry_log.h"
#include "store/journal/record.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

constexpr const char* kCsv =
    "code,family_name,given_name,family_ideographic,given_ideographic,mails,identifiers,language,full_detail,events,"
    "digest_minutes,quiet_hours,practice_group,active\r\n"
    "D1,Smith,John,,,john.smith@dremail.com;js@home.example,77@H1;N9,en,yes,admission;discharge,30,22:00-07:00,GP,"
    "yes\r\n"
    "D2,Mori,Haruka,森,遥,mori@clinic.example,78@H1,ja,no,,,,,\r\n"
    "D3,Sato,Ken,,,sato@clinic.example,,,,,,,,no\r\n";

class ProvidersTest : public testing::Test {
 protected:
  ProvidersTest() : db_(std::move(*Sqlite::open_writer(":memory:", {}))), writer_(*db_), providers_(*db_) {
    EXPECT_TRUE(db_->execute(ProviderWriter::schema().sql.c_str()));
    EXPECT_TRUE(db_->execute(registry_log_schema().sql.c_str()));
  }
  RegistryLogEntry import(const std::string& csv, const std::string& more_meta = "") {
    return apply(RecordKind::kRegistryImport, R"({"what":"providers","by":"op")" + more_meta + "}", csv);
  }
  RegistryLogEntry change(const std::string& change_json) {
    return apply(RecordKind::kRegistryChange, R"({"what":"providers","by":"op","change":)" + change_json + "}", "");
  }
  RegistryLogEntry apply(RecordKind kind, const std::string& meta, const std::string& body) {
    const Status status = writer_.apply(Entry{Seq{++seq_}, {.kind = kind, .time = {}, .meta = meta, .body = body}});
    EXPECT_TRUE(status) << status.error().what;
    return read_registry_log(*db_, {}, 1)->front();
  }
  ProviderMatch match(const ProviderClaim& claim) { return providers_.verify(claim)->match; }

  std::unique_ptr<Sqlite> db_;
  ProviderWriter writer_;
  ProviderRegistry providers_;
  std::uint64_t seq_ = 0;
};

TEST_F(ProvidersTest, AnImportIsReadBackWhole) {
  const auto log = import(kCsv);
  EXPECT_TRUE(log.applied) << log.detail;
  EXPECT_EQ(log.rows, 3U);
  const auto smith = *providers_.by_code("D1");
  EXPECT_EQ(smith.mails, (std::vector<std::string>{"john.smith@dremail.com", "js@home.example"}));
  EXPECT_EQ(smith.identifiers, (std::vector<ProviderIdentifier>{{"H1", "77"}, {"", "N9"}}));
  EXPECT_EQ(smith.language, Language::kEnglish);
  EXPECT_EQ(smith.detail, Detail::kFull);
  EXPECT_EQ(smith.events, (std::vector<std::string>{"admission", "discharge"}));
  EXPECT_EQ(smith.digest_minutes, 30U);
  EXPECT_EQ(smith.quiet, (QuietHours{22 * 60, 7 * 60}));
  EXPECT_EQ(smith.practice_group, "GP");
  EXPECT_EQ(smith.activity, Activity::kActive);
  const auto mori = *providers_.by_code("D2");
  EXPECT_EQ(mori.language, Language::kJapanese);
  EXPECT_EQ(mori.detail, Detail::kLinkOnly);
  EXPECT_EQ(mori.names.size(), 2U);
  EXPECT_EQ(mori.quiet, QuietHours{});
  EXPECT_EQ(providers_.by_code("D3")->activity, Activity::kInactive);
  EXPECT_EQ(*providers_.get(mori.id), mori);
  EXPECT_EQ(providers_.by_code("D4").error().code, Errc::kNotFound);
}

TEST_F(ProvidersTest, AnExportImportsToTheSameRegistry) {
  import(kCsv);
  const auto before = *providers_.list("", 100);
  const auto log = import(provider_csv(before));
  EXPECT_TRUE(log.applied) << log.detail;
  EXPECT_EQ(*providers_.list("", 100), before);
  EXPECT_EQ(providers_.list("D1", 1)->front().code, "D2");
}

TEST_F(ProvidersTest, AFaultyImportChangesNothingAndNamesEveryLine) {
  import(kCsv);
  const auto log = import(
      "code,family_name,mails,language,quiet_hours,digest_minutes,events,active\n"
      "D9,New,ok@x.example,en,,,,\n"
      ",Nobody,a@b.example,,,,,\n"
      "D10,X,not-an-address,fr,25:00-26:00,many,birthday,perhaps\n"
      "D9,Twice,ok@x.example,,,,,\n"
      "D11,,x@y.example,,,,,\n");
  EXPECT_FALSE(log.applied);
  for (const char* part :
       {"line 3: code", "line 4: mails", "line 4: language", "line 4: quiet_hours", "line 4: digest_minutes",
        "line 4: events", "line 4: active", "line 5: code: the same as in line 2", "line 6: family_name"}) {
    EXPECT_NE(log.detail.find(part), std::string::npos) << part << " in " << log.detail;
  }
  for (const char* value : {"not-an-address", "Nobody", "birthday"})
    EXPECT_EQ(log.detail.find(value), std::string::npos);
  EXPECT_EQ(providers_.list("", 100)->size(), 3U);
}

TEST_F(ProvidersTest, AddressesThatCouldSmuggleHeadersAreNoAddresses) {
  for (const char* mail : {"a@b@c", "@b", "a@", "a b@c", "a@b\rBcc: x", "a@b,c@d", "<a@b>", "a\"@b", "a@.b", "a@b."}) {
    std::string csv = "code,family_name,mails\nD1,X,\"" + std::string(mail) + "\"\n";
    if (std::string_view(mail).find('"') != std::string_view::npos) csv = "code,family_name,mails\nD1,X,\"a\"\"@b\"\n";
    EXPECT_FALSE(parse_provider_csv(csv).has_value()) << mail;
  }
  EXPECT_TRUE(parse_provider_csv("code,family_name,mails\nD1,X,o'brien+hl7@mail.example\n").has_value());
}

TEST_F(ProvidersTest, ReplacingDeactivatesWhoIsNotInTheFile) {
  import(kCsv);
  EXPECT_TRUE(import("code,family_name\nD1,Smith\n", R"(,"mode":"replace")").applied);
  EXPECT_EQ(providers_.by_code("D1")->activity, Activity::kActive);
  EXPECT_EQ(providers_.by_code("D2")->activity, Activity::kInactive);
  EXPECT_TRUE(providers_.by_mail("john.smith@dremail.com")->empty()) << "the row was replaced, not merged";
  EXPECT_FALSE(import("code,family_name\nD1,Smith\n", R"(,"mode":"destroy")").applied);
}

TEST_F(ProvidersTest, SingleChanges) {
  import(kCsv);
  EXPECT_TRUE(change(R"({"op":"put","provider":{"code":"D7","family_name":"Jones","mails":"j@x.example"}})").applied);
  EXPECT_EQ(providers_.by_code("D7")->mails.at(0), "j@x.example");
  EXPECT_TRUE(change(R"({"op":"deactivate","code":"D7"})").applied);
  EXPECT_EQ(providers_.by_code("D7")->activity, Activity::kInactive);
  EXPECT_TRUE(change(R"({"op":"activate","code":"D7"})").applied);
  EXPECT_FALSE(change(R"({"op":"deactivate","code":"D99"})").applied);
  EXPECT_FALSE(change(R"({"op":"put","provider":{"code":"D8","family_name":"X","mail":"typo@x.example"}})").applied);
  EXPECT_FALSE(change(R"({"op":"put","provider":{"code":"D8"}})").applied);
  EXPECT_FALSE(change(R"({"op":"put"})").applied);
  EXPECT_FALSE(change(R"({"op":"erase","code":"D1"})").applied);
  EXPECT_EQ(providers_.by_code("D8").error().code, Errc::kNotFound);
}

TEST_F(ProvidersTest, RecordsOfOthersArePassedOver) {
  ASSERT_TRUE(writer_.apply(Entry{
      Seq{1}, {.kind = RecordKind::kRegistryImport, .time = {}, .meta = R"({"what":"patients"})", .body = kCsv}}));
  ASSERT_TRUE(writer_.apply(Entry{Seq{2}, {.kind = RecordKind::kHl7Received, .time = {}, .meta = "{}", .body = ""}}));
  EXPECT_TRUE(read_registry_log(*db_, {}, 10)->empty());
}

TEST_F(ProvidersTest, FoundByMailIdentifierAndName) {
  import(kCsv);
  EXPECT_EQ(providers_.by_mail("JOHN.SMITH@DREMAIL.COM")->size(), 1U);
  EXPECT_EQ(providers_.by_mail("js@home.example")->at(0).code, "D1");
  EXPECT_EQ(providers_.by_identifier({"H1", "78"})->at(0).code, "D2");
  EXPECT_TRUE(providers_.by_identifier({"H2", "78"})->empty());
  EXPECT_EQ(providers_.by_identifier({"", "78"})->at(0).code, "D2");
  EXPECT_EQ(providers_.by_identifier({"H2", "N9"})->at(0).code, "D1") << "an identifier without system is good for any";
  EXPECT_EQ(providers_.by_identifier({"", "D3"})->at(0).code, "D3");
  EXPECT_EQ(providers_.by_name("森", "")->at(0).code, "D2");
  EXPECT_EQ(providers_.by_name("MORI", "haruka")->at(0).code, "D2");
  EXPECT_TRUE(providers_.by_name("Mori", "Ken")->empty());
}

TEST_F(ProvidersTest, OnlyTheRegistrysAddressOfThatProviderMatches) {
  import(kCsv);
  const std::string john = "john.smith@dremail.com";
  EXPECT_EQ(match({.id = john, .family = "smith", .given = "john"}), ProviderMatch::kMatch);
  EXPECT_EQ(match({.id = john}), ProviderMatch::kMatch);
  EXPECT_EQ(match({.id = "77", .system = "H1", .mail = john}), ProviderMatch::kMatch);
  EXPECT_EQ(match({.id = "77", .system = "H1"}), ProviderMatch::kMatch);
  EXPECT_EQ(match({.id = "77", .system = "H1", .family = "Smith", .given = "J."}), ProviderMatch::kMatch);
  EXPECT_EQ(match({.id = "77", .system = "H1", .mail = "john.smith@evil.example"}), ProviderMatch::kMailDiffers);
  EXPECT_EQ(match({.id = "77", .system = "H1", .mail = "mori@clinic.example"}), ProviderMatch::kIdentifierDiffers);
  EXPECT_EQ(match({.id = john, .family = "Mori"}), ProviderMatch::kNameDiffers);
  EXPECT_EQ(match({.id = john, .family = "Smith", .given = "Mary"}), ProviderMatch::kNameDiffers);
  EXPECT_EQ(match({.id = "john.smith@evil.example", .family = "smith"}), ProviderMatch::kUnknown);
  EXPECT_EQ(match({.id = "999", .system = "H1"}), ProviderMatch::kUnknown);
  EXPECT_EQ(match({.id = "sato@clinic.example"}), ProviderMatch::kInactive);
  EXPECT_EQ(match({.family = "Smith", .given = "John"}), ProviderMatch::kNothingClaimed);
}

TEST_F(ProvidersTest, AnIdentifierOfSomebodyElseDoesNotPassWithAnAddressWithoutIdentifiers) {
  import(kCsv);
  EXPECT_TRUE(
      change(R"({"op":"put","provider":{"code":"D5","family_name":"Plain","mails":"plain@x.example"}})").applied);
  EXPECT_EQ(match({.id = "77", .system = "H1", .mail = "plain@x.example"}), ProviderMatch::kIdentifierDiffers);
  EXPECT_EQ(match({.id = "unknown", .system = "H9", .mail = "plain@x.example"}), ProviderMatch::kMatch);
}

TEST_F(ProvidersTest, ASharedAddressIsAmbiguousUnlessTheIdentifierTells) {
  import(kCsv);
  EXPECT_TRUE(change(R"({"op":"put","provider":{"code":"D5","family_name":"Mori","mails":"mori@clinic.example",)"
                     R"("identifiers":"8@H1"}})")
                  .applied);
  EXPECT_EQ(match({.id = "mori@clinic.example"}), ProviderMatch::kAmbiguous);
  const auto told = *providers_.verify({.id = "8", .system = "H1", .mail = "mori@clinic.example"});
  EXPECT_EQ(told.match, ProviderMatch::kMatch);
  EXPECT_EQ(providers_.get(told.provider)->code, "D5");
  EXPECT_TRUE(change(R"({"op":"deactivate","code":"D5"})").applied);
  EXPECT_EQ(match({.id = "mori@clinic.example"}), ProviderMatch::kMatch);
}

}  // namespace
}  // namespace minato
