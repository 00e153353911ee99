#include "flow/route.h"

#include <gtest/gtest.h>

#include "flow/deliver.h"
#include "flow/deliver_step.h"
#include "format/charset/charset.h"
#include "format/json/json.h"

namespace minato {
namespace {

constexpr std::string_view kResult =
    "MSH|^~\\&|LAB|HOSP|MINATO|HOSP|20261124090000||ORU^R01|L1|P|2.5\rPID|1||4711^^^HOSP^PI||YAMADA^TARO\r"
    "PV1|1|I|3W^301\rOBX|1|NM|2345-7^Glucose^LN||412|mg/dL|73-109|HH\rZZZ|x\r";

std::shared_ptr<const RouteSet> rules_of(std::string_view text) {
  auto rules = RouteSet::parse(text, "test.toml");
  EXPECT_TRUE(rules) << (rules ? "" : rules.error().what);
  return rules ? *rules : nullptr;
}

std::string applied(std::string_view text, std::string_view bytes = kResult) {
  const auto rules = rules_of(text);
  const auto message = hl7::Message::view(bytes);
  const auto out = rules->apply(rules->routes().front(), *message);
  return out ? *out : "error: " + out.error().what;
}

bool matches(std::string_view filter, std::string_view bytes = kResult) {
  const auto rules = rules_of("[[route]]\nname = \"r\"\nto = [\"x\"]\n" + std::string(filter));
  const auto message = hl7::Message::view(bytes);
  return !rules->match(*message, {"lab"}).empty();
}

TEST(Route, FiltersByTypeSenderListenerAndValue) {
  EXPECT_TRUE(matches(""));
  EXPECT_TRUE(matches("types = [\"ADT^A01\", \"ORU^*\"]\n"));
  EXPECT_FALSE(matches("types = [\"ADT\"]\n"));
  EXPECT_TRUE(matches("senders = [\"LAB|*\"]\n"));
  EXPECT_FALSE(matches("senders = [\"LAB|ELSEWHERE\"]\n"));
  EXPECT_FALSE(matches("listeners = [\"adt\"]\n"));
  EXPECT_TRUE(matches("where = [{path = \"PV1-2\", eq = \"I\"}, {path = \"OBX-5\", greater = \"400\"}]\n"));
  EXPECT_FALSE(matches("where = [{path = \"OBX-5\", less = \"400\"}]\n"));
  EXPECT_TRUE(matches("where = [{any = [{path = \"OBX-8\", eq = \"LL\"}, {path = \"OBX-8\", eq = \"HH\"}]}]\n"));
  EXPECT_FALSE(matches("where = [{not = {path = \"OBX-8\", in = [\"LL\", \"HH\"]}}]\n"));
  EXPECT_TRUE(matches("where = [{path = \"PID-30\", exists = false}]\n"));
  EXPECT_TRUE(matches("where = [{path = \"PID-5.1\", glob = \"YA*D?\"}]\n"));
}

TEST(Route, ChangesNothingThatNoChangeNames) {
  EXPECT_EQ(applied("[[route]]\nname = \"r\"\nto = [\"x\"]\n"), kResult);
  std::string wanted(kResult);
  wanted.replace(wanted.find("|MINATO|"), 8, "|GW|");
  EXPECT_EQ(applied("[[route]]\nname = \"r\"\nto = [\"x\"]\nchange = [{set = \"MSH-5\", value = \"GW\"}]\n"), wanted);
}

TEST(Route, SetsFromOtherFieldsTablesAndParts) {
  const std::string out = applied(
      "[[table]]\nname = \"ward\"\nmap = {\"3W\" = \"West 3\"}\n"
      "[[route]]\nname = \"r\"\nto = [\"x\"]\nchange = [{set = \"PV1-3.1\", value = \"{PV1-3.1}\", table = \"ward\"},"
      "{set = \"PID-2\", value = \"{PID-3.1}-{PV1-2}\"}, {set = \"PID-5.1\", value = \"{PID-5.1}\", case = \"lower\", "
      "take = 3},"
      "{clear = \"OBX-7\"}, {remove = \"ZZZ\"}, {append = \"ZMN|{MSH-10}\"}, {append = \"ZMO|2\"}]\n");
  EXPECT_NE(out.find("PV1|1|I|West 3^301"), std::string::npos) << out;
  EXPECT_NE(out.find("PID|1|4711-I|4711^^^HOSP^PI||yam^TARO"), std::string::npos) << out;
  EXPECT_NE(out.find("|mg/dL||HH"), std::string::npos) << out;
  EXPECT_EQ(out.find("ZZZ"), std::string::npos) << out;
  EXPECT_TRUE(out.ends_with("ZMN|L1\rZMO|2\r")) << out;
}

TEST(Route, ACodeThatIsInNoTableIsRefusedWithoutItsValue) {
  const std::string out = applied(
      "[[table]]\nname = \"t\"\nmap = {\"a\" = \"b\"}\n[[route]]\nname = \"r\"\nto = [\"x\"]\n"
      "change = [{set = \"PV1-2\", value = \"{PID-5.1}\", table = \"t\"}]\n");
  EXPECT_EQ(out, "error: route r, change 1: the code is not in the table");
}

TEST(Route, JapaneseTextKeepsItsEncoding) {
  using charset::Encoding;
  for (const Encoding encoding : {Encoding::kIso2022Jp, Encoding::kShiftJis}) {
    const std::string head =
        "MSH|^~\\&|A|B|C|D|20261124||ADT^A01|1|P|2.5||||||" + std::string(charset::msh18(encoding)) + "\r";
    const std::string bytes = head + *charset::encode(encoding, "PID|1||1||東京^糖子||19700101\r");
    const std::string out = applied(
        "[[route]]\nname = \"r\"\nto = [\"x\"]\nchange = [{set = \"PID-9\", value = \"ﾄｳｷｮｳ\", width = \"full\"}]\n",
        bytes);
    EXPECT_TRUE(out.starts_with(bytes.substr(0, bytes.size() - 1))) << charset::name(encoding);
    EXPECT_EQ(hl7::Message::parse(out)->get("PID-9"), "トウキョウ");
    EXPECT_EQ(hl7::Message::parse(out)->get("PID-5.2"), "糖子");
  }
}

TEST(Route, EveryFaultIsNamedWithItsLine) {
  const auto bad = RouteSet::parse(
      "[[route]]\nname = \"r\"\nto = [\"x\"]\ntyps = [\"ADT\"]\nwhere = [{path = \"P-1\", eq = \"a\"}, {path = "
      "\"PV1-2\"}]\n"
      "change = [{set = \"PV1-2\", value = \"a\", table = \"none\"}]\n",
      "r.toml");
  ASSERT_FALSE(bad);
  for (const char* part :
       {"typs: unknown key (did you mean types?)", "exactly one of eq", "no table has the name none", "r.toml:5"}) {
    EXPECT_NE(bad.error().what.find(part), std::string::npos) << part << "\n" << bad.error().what;
  }
  const std::vector<std::string> destinations = {"lab"};
  EXPECT_FALSE(RouteSet::parse("[[route]]\nname = \"r\"\nto = [\"x\"]\n", "r.toml", &destinations));
}

TEST(Route, GlobsMatchWhole) {
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a*b*c", "a__b_b_c"));
  EXPECT_FALSE(glob_matches("a*b", "a__bc"));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_FALSE(glob_matches("a?", "a"));
}

TEST(DryRun, ShowsTheFieldsThatWouldChange) {
  const auto before =
      rules_of("[[route]]\nname = \"r\"\nto = [\"x\"]\nchange = [{set = \"MSH-5\", value = \"OLD\"}]\n");
  const auto after = rules_of("[[route]]\nname = \"r\"\nto = [\"x\"]\nchange = [{set = \"MSH-5\", value = \"NEW\"}]\n");
  DryRun run(*before, *after);
  run.add(Seq{7}, *hl7::Message::view(kResult), {"lab"});
  const auto report = json::parse(run.json());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->root()["different"].integer(), 1);
  const json::Value output =
      (*(*report->root()["messages"].entries().begin()).value["outputs"].entries().begin()).value;
  const json::Value field = (*output["fields"].entries().begin()).value;
  EXPECT_EQ(field["path"].string_or(""), "MSH[1]-5");
  EXPECT_EQ(field["before"].string_or(""), "OLD");
  EXPECT_EQ(field["after"].string_or(""), "NEW");
}

TEST(Deliver, FileNamesNeverLeaveTheirDirectory) {
  Delivery delivery;
  delivery.seq = Seq{12};
  delivery.received = *from_rfc3339("2026-11-24T05:06:07Z");
  const std::string hostile = "MSH|^~\\&|A|B|C|D|20261124||../..^A01|../../etc/passwd|P|2.5\r";
  delivery.bytes = hostile;
  EXPECT_EQ(*delivery_file_name("{date}/{type}/{control_id}-{seq}.hl7", delivery),
            "20261124/_../_.._etc_passwd-12.hl7");
  EXPECT_FALSE(delivery_file_name("../{seq}", delivery));
  EXPECT_FALSE(delivery_file_name("/{seq}", delivery));
  EXPECT_FALSE(delivery_file_name("{date}//{seq}", delivery));
  EXPECT_FALSE(delivery_file_name("{name}", delivery));
}

TEST(Deliver, TheSignatureIsThatOfTimeAndBody) {
  // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
  EXPECT_EQ(webhook_signature("key", from_micros(1'700'000'000'000'000), "{}").substr(0, 16), "t=1700000000,v1=");
  EXPECT_NE(webhook_signature("key", from_micros(1'700'000'000'000'000), "{}"),
            webhook_signature("kez", from_micros(1'700'000'000'000'000), "{}"));
}

}  // namespace
}  // namespace minato
