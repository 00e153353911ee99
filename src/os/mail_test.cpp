#include "os/mail.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/bytes.h"
#include "base/limits.h"
#include "os/mail_header.h"
#include "os/test_pki.h"
#include "os/test_process.h"

namespace minato {
namespace {

Mail sample() {
  return {.from = {"minato@hospital.example", "港"},
          .to = {{"john.smith@dremail.com", "John Smith"}},
          .subject = "Admission",
          .text = "Dear doctor,\n\nplease look.\n",
          .message_id = "<m1.20261124@hospital.example>",
          .date = *from_rfc3339("2026-11-24T05:06:07Z"),
          .date_offset_minutes = 540};
}

std::string slurp(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

// What Python's mail parser makes of it: name → values.
std::multimap<std::string, std::string> read_by_another(const Mail& mail) {
  const TestDirectory dir;
  const auto rendered = render_mail(mail);
  EXPECT_TRUE(rendered) << rendered.error().what;
  const std::string path = dir.write("mail.eml", rendered.value_or(""));
  TestProcess python({TestProcess::python(), TestProcess::source("tests/support/read_mail.py"), path});
  std::multimap<std::string, std::string> out;
  for (std::string line = python.line(); !line.empty(); line = python.line()) {
    const auto equals = line.find('=');
    std::string value = from_hex(line.substr(equals + 1)).value_or("?");
    std::erase(value, '\r');  // what is CR LF in the mail
    out.emplace(line.substr(0, equals), std::move(value));
  }
  return out;
}

std::string only(const std::multimap<std::string, std::string>& read, const std::string& name) {
  const auto [first, last] = read.equal_range(name);
  return std::distance(first, last) == 1 ? first->second
                                         : "(" + std::to_string(std::distance(first, last)) + " of them)";
}

Errc refusal(const Mail& mail) {
  const auto rendered = render_mail(mail);
  EXPECT_FALSE(rendered);
  return rendered ? Errc::kConflict : rendered.error().code;
}

TEST(MailHeader, AddressesAreCheckedAndQuotedWhereTheyMust) {
  EXPECT_EQ(*checked_address("a.b+c@x-y.example"), "a.b+c@x-y.example");
  EXPECT_EQ(*checked_address("a..b@docomo.example"), "\"a..b\"@docomo.example") << "Japanese carriers gave these out";
  EXPECT_EQ(*checked_address("a.@ezweb.example"), "\"a.\"@ezweb.example");
  for (const char* bad :
       {"",      "a",       "@b",    "a@",      "a@b@c", "a b@c",          "a@b c",          "a@-b",          "a@b..c",
        "a@b.",  "a\r\n@b", "<a@b>", "a@b,c@d", "a@b>",  "\xE6\x9C\xAC@b", "a@\xE6\x9C\xAC", "a@[127.0.0.1]", "\"a\"@b",
        "a@b\n", "a;@b"}) {
    EXPECT_FALSE(checked_address(bad)) << bad;
  }
  EXPECT_TRUE(checked_address(std::string(64, 'a') + "@b"));
  EXPECT_FALSE(checked_address(std::string(65, 'a') + "@b"));
}

TEST(MailHeader, MessageIdsAreTwoDotAtoms) {
  EXPECT_TRUE(is_message_id("<a.b@c.d>"));
  for (const char* bad :
       {"", "<>", "a@b", "<a>", "<a@>", "<@b>", "<a@b", "<a b@c>", "<a@b>\r\n", "<a@b@c>", "<a..b@c>", "<a@b><c@d>"}) {
    EXPECT_FALSE(is_message_id(bad)) << bad;
  }
}

TEST(MailHeader, DatesAreLocalTimeWithItsOffset) {
  EXPECT_EQ(mail_date(*from_rfc3339("2026-11-24T05:06:07Z"), 540), "Tue, 24 Nov 2026 14:06:07 +0900");
  EXPECT_EQ(mail_date(*from_rfc3339("2026-03-01T02:00:00Z"), -210), "Sat, 28 Feb 2026 22:30:00 -0330");
}

TEST(MailHeader, LinesAreFoldedAndEncodedWordsStayShort) {
  MailHeader header("Subject");
  std::string japanese;
  for (int i = 0; i < 200; ++i) japanese += "入院のお知らせ";
  header.text(japanese);
  const std::string folded = header.finish();
  for (const auto line : split(folded, '\n')) EXPECT_LE(line.size(), 77u) << line;  // 76 and the CR
  MailHeader parameter("Content-Disposition");
  parameter.piece("attachment");
  parameter.parameter("filename", japanese.substr(0, 300));
  const std::string extended = parameter.finish();
  EXPECT_NE(extended.find("filename*0*=UTF-8''%E5"), std::string::npos) << extended;
  EXPECT_NE(extended.find(";\r\n filename*1*="), std::string::npos) << extended;
  for (const auto line : split(extended, '\n')) EXPECT_LE(line.size(), 79u) << line;
}

TEST(MailRender, APlainMailIsReadableAsItIs) {
  Mail mail = sample();
  mail.from.display_name.clear();
  EXPECT_EQ(*render_mail(mail),
            "Date: Tue, 24 Nov 2026 14:06:07 +0900\r\n"
            "From: minato@hospital.example\r\n"
            "To: John Smith <john.smith@dremail.com>\r\n"
            "Subject: Admission\r\n"
            "Message-ID: <m1.20261124@hospital.example>\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=UTF-8\r\n"
            "Content-Transfer-Encoding: 7bit\r\n"
            "\r\n"
            "Dear doctor,\r\n\r\nplease look.\r\n");
  EXPECT_EQ(*render_mail(mail), *render_mail(mail));
}

TEST(MailRender, AnotherReaderSeesWhatWasMeant) {
  if (TestProcess::source("").empty()) GTEST_SKIP() << "set MINATO_SOURCE_DIR to the repository, as ctest does";
  Mail mail = sample();
  mail.subject = "入院のお知らせ：患者さんが救急外来より入院しました。詳細はリンク先のページをご覧ください (#1 =?x?=)";
  mail.to = {
      {"a..b@docomo.example", "山田 太郎（循環器内科）"}, {"x@y.example", "Smith, John \"J\" \\ MD"}, {"z@y.example"}};
  mail.text = "本文です。\n.\n..\nFrom here\n" + std::string(2000, 'x') + "\n終わり";
  mail.html = "<p>本文</p>\n";
  mail.language = "ja";
  mail.headers = {{"X-Note", "  two  spaces and 日本語 "}};
  mail.attachments = {{"検査結果 報告書.pdf", "application/pdf", std::string("%PDF\0\xFF", 6)},
                      {"a \"b\".bin", "application/octet-stream", ""}};
  const auto read = read_by_another(mail);
  EXPECT_EQ(only(read, "Subject"), mail.subject);
  EXPECT_EQ(only(read, "Message-ID"), mail.message_id);
  EXPECT_EQ(only(read, "Date"), "Tue, 24 Nov 2026 14:06:07 +0900");
  EXPECT_EQ(only(read, "Content-Language"), "ja");
  EXPECT_EQ(only(read, "X-Note"), mail.headers[0].second);
  EXPECT_EQ(only(read, "From"), "港|minato@hospital.example");
  auto to = read.lower_bound("To");
  EXPECT_EQ((to++)->second, "山田 太郎（循環器内科）|a..b@docomo.example");
  EXPECT_EQ((to++)->second, "Smith, John \"J\" \\ MD|x@y.example");
  EXPECT_EQ((to++)->second, "|z@y.example");
  EXPECT_TRUE(only(read, "plain") == mail.text + "\n");
  EXPECT_EQ(only(read, "html"), mail.html);
  auto attachment = read.lower_bound("attachment");
  EXPECT_EQ((attachment++)->second, "検査結果 報告書.pdf|application/pdf");
  EXPECT_EQ((attachment++)->second, "a \"b\".bin|application/octet-stream");
  EXPECT_EQ(read.lower_bound("content")->second, mail.attachments[0].bytes);
  EXPECT_EQ(only(read, "defects"), "");
  EXPECT_EQ(only(read, "bare"), "0") << "no CR or LF alone";
  EXPECT_LE(std::stoi(only(read, "longest")), 100);
}

TEST(MailRender, ABoundaryNeverStandsInAPart) {
  if (TestProcess::source("").empty()) GTEST_SKIP() << "set MINATO_SOURCE_DIR to the repository, as ctest does";
  Mail mail = sample();
  mail.html = "<p>x</p>";
  const std::string first = *render_mail(mail);
  const auto at = first.find("boundary=\"") + 10;
  const std::string boundary = first.substr(at, first.find('"', at) - at);
  mail.text = "--" + boundary + "--\n";
  const auto read = read_by_another(mail);
  EXPECT_EQ(only(read, "plain"), mail.text);
  EXPECT_EQ(only(read, "html"), mail.html + "\n");
}

// CWE-93: whoever can put a line break into a header writes headers, recipients and bodies of his own.
TEST(MailRender, InjectionIsRefusedInEveryField) {
  for (const std::string& evil : std::vector<std::string>{"a\r\nBcc: x@y.example", "a\nBcc: x", "a\rb",
                                                          std::string("a\0b", 3), "a\x7F", "a\x1B[0m"}) {
    Mail mail = sample();
    mail.subject = evil;
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.from.display_name = evil;
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.to[0].display_name = evil;
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.to[0].address = evil + "@y.example";
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.from.address = "a@y.example" + evil;
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.message_id = "<" + evil + "@y>";
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.language = evil;
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.headers = {{"X-Note", evil}};
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.headers = {{evil, "x"}};
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.attachments = {{evil, "a/b", ""}};
    EXPECT_EQ(refusal(mail), Errc::kRefused);
    mail = sample();
    mail.attachments = {{"a", evil, ""}};
    EXPECT_EQ(refusal(mail), Errc::kRefused);
  }
}

TEST(MailRender, RefusesWhatIsMissingWrongOrTooLarge) {
  Mail mail = sample();
  mail.to.clear();
  EXPECT_EQ(refusal(mail), Errc::kRefused);
  mail = sample();
  mail.to.assign(kMailRecipientsMax + 1, {"a@b.example"});
  EXPECT_EQ(refusal(mail), Errc::kTooLarge);
  mail = sample();
  mail.text = "\xFF";
  EXPECT_EQ(refusal(mail), Errc::kRefused);
  mail = sample();
  mail.subject = "\x93\xFA\x96\x7B";  // Shift_JIS
  EXPECT_EQ(refusal(mail), Errc::kRefused);
  mail = sample();
  mail.text.assign(kMailBytesMax + 1, 'x');
  EXPECT_EQ(refusal(mail), Errc::kTooLarge);
  for (const char* ours : {"From", "bcc", "Message-Id", "Content-Type", "content-anything", "MIME-Version"}) {
    mail = sample();
    mail.headers = {{ours, "x"}};
    EXPECT_EQ(refusal(mail), Errc::kRefused) << ours;
  }
  mail = sample();
  mail.subject = "secret" + std::string("\r\n");
  EXPECT_EQ(render_mail(mail).error().what.find("secret"), std::string::npos) << "an error carries no values";
}

TEST(MailDirectory, WritesEachMailOnceUnderItsMessageId) {
  const TestDirectory dir;
  const auto sender = directory_sender(dir.path("deep/outbox"));
  ASSERT_TRUE(sender) << sender.error().what;
  Mail mail = sample();
  EXPECT_EQ((*sender)->send(mail).outcome, MailOutcome::kSent);
  const std::string path = dir.path("deep/outbox/m1.20261124@hospital.example.eml");
  EXPECT_EQ(slurp(path), *render_mail(mail));
  mail.text = "changed";
  EXPECT_EQ((*sender)->send(mail).outcome, MailOutcome::kSent);
  EXPECT_NE(slurp(path), *render_mail(mail)) << "a repeat changes nothing";
  mail.message_id = "<m2@hospital.example>";
  EXPECT_EQ((*sender)->send(mail).outcome, MailOutcome::kSent);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir.path("deep/outbox"))) ++files;
  EXPECT_EQ(files, 2u) << "and nothing is left beside";
  mail.message_id = "nonsense";
  const auto refused = (*sender)->send(mail);
  EXPECT_EQ(refused.outcome, MailOutcome::kPermanent);
  EXPECT_EQ(refused.stage, MailStage::kPrepare);
}

TEST(MailDirectory, FileNamesAreSafeAndDiffer) {
  EXPECT_EQ(mail_file_name("<a.b+c@d>"), "a.b+c@d.eml");
  EXPECT_EQ(mail_file_name("<../x@d>").find('/'), std::string::npos);
  EXPECT_NE(mail_file_name("<.x@d>").front(), '.');
  EXPECT_NE(mail_file_name("<a%2fb@d>"), mail_file_name("<a/b@d>"));
  EXPECT_LT(mail_file_name("<" + std::string(240, '/') + "@d>").size(), 100u);
  EXPECT_NE(mail_file_name("<" + std::string(240, '/') + "@d>"), mail_file_name("<" + std::string(239, '/') + "@d>"));
}

TEST(MailDirectory, ADirectoryThatCannotBeWrittenIsNotSent) {
  const TestDirectory dir;
  dir.write("file", "x");
  EXPECT_FALSE(directory_sender(dir.path("file/outbox")));
  const auto sender = directory_sender(dir.path("outbox"));
  std::filesystem::remove_all(dir.path("outbox"));
  EXPECT_EQ((*sender)->send(sample()).outcome, MailOutcome::kNotSent);
}

}  // namespace
}  // namespace minato
