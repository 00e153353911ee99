// Against a real SMTP server (tests/support/smtp_server.py, which is aiosmtpd), and against scripts of one reply after
// another for what a real one cannot be made to do.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "os/mail.h"
#include "os/stream.h"
#include "os/test_pki.h"
#include "os/test_process.h"
#include "os/thread.h"

namespace minato {
namespace {

using namespace std::chrono_literals;

Deadline in(std::chrono::milliseconds span) { return std::chrono::steady_clock::now() + span; }

Mail mail_to(const std::string& recipient) {
  static std::atomic<int> count{0};
  return {.from = {"minato@hospital.example", ""},
          .to = {{recipient, ""}},
          .subject = "入院のお知らせ",
          .text = ".\n..dots\n本文\n",
          .html = "<p>本文</p>",
          .message_id = "<m" + std::to_string(++count) + "@hospital.example>",
          .date = *from_rfc3339("2026-11-24T05:06:07Z")};
}

std::string slurp(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

class Smtp : public testing::Test {
 protected:
  Smtp() {
    const auto issued = authority_.issue({.common_name = "mail.test", .ip_addresses = {"127.0.0.1"}});
    dir_.write("ca.pem", authority_.pem());
    dir_.write("server.pem", issued.certificate);
    dir_.write("server.key", issued.key);
    options_.host = "127.0.0.1";
    options_.security = MailSecurity::kNone;
    options_.ca_file = dir_.path("ca.pem");
    options_.helo_name = "minato.hospital.example";
    options_.timeout = 10s;
  }
  // False: the test cannot run here, and says so.
  bool serve(const std::vector<std::string>& more = {}) {
    const std::string script = TestProcess::source("tests/support/smtp_server.py");
    if (script.empty()) return false;
    std::vector<std::string> arguments = {
        TestProcess::python(),   script,  "--directory",          dir_.path(), "--certificate",
        dir_.path("server.pem"), "--key", dir_.path("server.key")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    server_ = std::make_unique<TestProcess>(arguments);
    const std::string line = server_->line();
    if (!line.starts_with("ready ")) return false;
    options_.port = static_cast<std::uint16_t>(*parse_unsigned(line.substr(6)));
    return true;
  }
  MailResult send(const Mail& mail) {
    if (!sender_) {
      auto made = smtp_sender(options_);
      EXPECT_TRUE(made) << made.error().what;
      sender_ = std::move(*made);
    }
    return sender_->send(mail);
  }
  void secret(const std::string& text) {
    options_.user = "minato";
    options_.secret = [text]() -> Result<std::string> { return text; };
  }
  std::string taken(int n) const { return slurp(dir_.path(std::to_string(n) + ".eml")); }
  std::string about(int n) const { return slurp(dir_.path(std::to_string(n) + ".json")); }
  bool was_taken(int n) const { return std::filesystem::exists(dir_.path(std::to_string(n) + ".json")); }

  TestDirectory dir_;
  TestAuthority authority_{"Test CA"};
  SmtpOptions options_;
  std::unique_ptr<TestProcess> server_;
  std::unique_ptr<MailSender> sender_;
};

#define SERVE(...) \
  if (!serve(__VA_ARGS__)) GTEST_SKIP() << "no SMTP server: install python3-aiosmtpd, and set MINATO_SOURCE_DIR"

TEST_F(Smtp, AMailArrivesByteByByte) {
  SERVE();
  const Mail mail = mail_to("doctor@dremail.example");
  const MailResult result = send(mail);
  EXPECT_EQ(result.outcome, MailOutcome::kSent) << result.what;
  EXPECT_EQ(result.stage, MailStage::kDone);
  EXPECT_EQ(result.reply_code, 250);
  EXPECT_EQ(result.enhanced_code, "2.0.0");
  EXPECT_EQ(taken(1), *render_mail(mail)) << "lines that begin with a dot included";
  EXPECT_NE(
      about(1).find(
          "\"sender\": \"minato@hospital.example\", \"recipients\": [\"doctor@dremail.example\"], \"tls\": false"),
      std::string::npos)
      << about(1);
  EXPECT_NE(about(1).find("\"helo\": \"minato.hospital.example\""), std::string::npos) << about(1);
}

TEST_F(Smtp, RepliesAreSortedByWhatTheCallerDoes) {
  SERVE();
  struct Case {
    const char* local;
    MailOutcome outcome;
    MailStage stage;
    int code;
    const char* enhanced;
  };
  const Case cases[] = {{"permanent", MailOutcome::kPermanent, MailStage::kEnvelope, 550, "5.1.1"},
                        {"temporary", MailOutcome::kTemporary, MailStage::kEnvelope, 451, "4.2.1"},
                        {"reject", MailOutcome::kPermanent, MailStage::kData, 554, "5.7.1"},
                        {"defer", MailOutcome::kTemporary, MailStage::kData, 452, "4.3.1"},
                        {"fine", MailOutcome::kSent, MailStage::kDone, 250, "2.0.0"}};
  for (const Case& c : cases) {
    const MailResult result = send(mail_to(std::string(c.local) + "@x.example"));
    EXPECT_EQ(name(result.outcome), name(c.outcome)) << c.local;
    EXPECT_EQ(name(result.stage), name(c.stage)) << c.local;
    EXPECT_EQ(result.reply_code, c.code) << c.local;
    EXPECT_EQ(result.enhanced_code, c.enhanced) << c.local;
    EXPECT_EQ(result.what.find("x.example"), std::string::npos) << "no address in an error: " << result.what;
  }
  EXPECT_TRUE(was_taken(1));
  EXPECT_FALSE(was_taken(2));
}

TEST_F(Smtp, ALostAnswerIsUncertainAndALinkLostBeforeIsNot) {
  SERVE();
  options_.timeout = 2s;
  EXPECT_EQ(name(send(mail_to("vanish@x.example")).outcome), "uncertain");
  EXPECT_TRUE(was_taken(1)) << "the server has it";
  EXPECT_EQ(name(send(mail_to("lose@x.example")).outcome), "uncertain");
  EXPECT_FALSE(was_taken(2)) << "the server does not have it, and we cannot know";
  EXPECT_EQ(name(send(mail_to("hangup@x.example")).outcome), "not-sent");
  options_.timeout = 300ms;
  sender_.reset();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(name(send(mail_to("stall@x.example")).outcome), "uncertain");
  sender_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s) << "nobody waits for the leave of a server that hangs";
}

TEST_F(Smtp, TheConnectionIsKeptBetweenMails) {
  SERVE();
  EXPECT_EQ(send(mail_to("a@x.example")).outcome, MailOutcome::kSent);
  EXPECT_EQ(send(mail_to("b@x.example")).outcome, MailOutcome::kSent);
  const auto port_of = [](const std::string& json) { return json.substr(json.find("peer_port")); };
  EXPECT_EQ(port_of(about(1)), port_of(about(2)));
}

TEST_F(Smtp, NobodyThereIsNotSent) {
  auto listener = listen_tcp({});
  options_.port = listener->bound.port;
  listener->fd.reset();
  const MailResult result = send(mail_to("a@x.example"));
  EXPECT_EQ(result.outcome, MailOutcome::kNotSent);
  EXPECT_EQ(result.stage, MailStage::kConnect);
}

TEST_F(Smtp, StartTlsIsUsedAndTheServerVerified) {
  SERVE({"--security", "starttls"});
  options_.security = MailSecurity::kStartTls;
  EXPECT_EQ(send(mail_to("a@x.example")).outcome, MailOutcome::kSent);
  EXPECT_NE(about(1).find("\"tls\": true"), std::string::npos) << about(1);
  const TestAuthority other("Other CA");
  options_.ca_file = dir_.write("other.pem", other.pem());
  sender_.reset();
  const MailResult result = send(mail_to("a@x.example"));
  EXPECT_EQ(name(result.outcome), "not-sent") << result.what;
  EXPECT_EQ(name(result.stage), "tls");
  EXPECT_FALSE(was_taken(2));
}

TEST_F(Smtp, WithoutStartTlsNothingIsSentUnlessItIsOnlyTried) {
  SERVE({"--security", "none"});
  options_.security = MailSecurity::kStartTls;
  const MailResult result = send(mail_to("a@x.example"));
  EXPECT_EQ(name(result.outcome), "not-sent");
  EXPECT_EQ(name(result.stage), "tls");
  EXPECT_FALSE(was_taken(1));
  options_.security = MailSecurity::kOpportunistic;
  sender_.reset();
  EXPECT_EQ(send(mail_to("a@x.example")).outcome, MailOutcome::kSent);
}

TEST_F(Smtp, OpportunisticTlsTakesWhatItGets) {
  SERVE({"--security", "starttls"});
  options_.security = MailSecurity::kOpportunistic;
  options_.ca_file.clear();  // the certificate is unknown to the system
  const MailResult result = send(mail_to("a@x.example"));
  EXPECT_EQ(result.outcome, MailOutcome::kSent) << result.what;
  EXPECT_NE(about(1).find("\"tls\": true"), std::string::npos);
}

TEST_F(Smtp, TlsFromTheFirstByte) {
  SERVE({"--security", "tls"});
  options_.security = MailSecurity::kTls;
  EXPECT_EQ(send(mail_to("a@x.example")).outcome, MailOutcome::kSent);
  options_.security = MailSecurity::kNone;
  options_.timeout = 1s;
  sender_.reset();
  EXPECT_EQ(send(mail_to("a@x.example")).outcome, MailOutcome::kNotSent);
}

TEST_F(Smtp, AuthenticatesByPlainLoginAndXoauth2) {
  SERVE({"--security", "starttls", "--user", "minato", "--password", "s3cret", "--token", "tok-en", "--require-auth"});
  options_.security = MailSecurity::kStartTls;
  int n = 0;
  for (const auto& [auth, good, user] :
       {std::tuple{MailAuth::kPlain, "s3cret", "PLAIN:minato"}, std::tuple{MailAuth::kLogin, "s3cret", "LOGIN:minato"},
        std::tuple{MailAuth::kXoauth2, "tok-en", "XOAUTH2:minato"}}) {
    options_.auth = auth;
    secret(good);
    sender_.reset();
    const MailResult sent = send(mail_to("a@x.example"));
    EXPECT_EQ(name(sent.outcome), "sent") << user << ": " << sent.what;
    EXPECT_NE(about(++n).find("\"user\": \"" + std::string(user) + "\""), std::string::npos) << about(n);
    secret("wrong");
    sender_.reset();
    const MailResult refused = send(mail_to("a@x.example"));
    EXPECT_EQ(name(refused.outcome), "not-sent") << "a wrong password is no fault of the mail";
    EXPECT_EQ(name(refused.stage), "auth") << user;
    EXPECT_EQ(refused.what.find("wrong"), std::string::npos);
  }
  options_.auth = MailAuth::kNone;
  sender_.reset();
  const MailResult anonymous = send(mail_to("a@x.example"));
  EXPECT_EQ(name(anonymous.outcome), "not-sent");
  EXPECT_EQ(name(anonymous.stage), "auth");
  EXPECT_EQ(anonymous.reply_code, 530);
}

TEST_F(Smtp, ASecretThatIsNotThereKeepsTheMail) {
  options_.auth = MailAuth::kPlain;
  options_.user = "minato";
  options_.secret = []() -> Result<std::string> { return fail(Errc::kUnavailable, "the file is gone"); };
  const MailResult result = send(mail_to("a@x.example"));
  EXPECT_EQ(result.outcome, MailOutcome::kNotSent);
  EXPECT_EQ(result.stage, MailStage::kAuth);
}

TEST_F(Smtp, ManyAtOnceShareTheConnections) {
  SERVE();
  options_.connections_max = 2;
  auto sender = std::move(*smtp_sender(options_));
  std::atomic<int> sent{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.push_back(start_thread("mail", [&](std::stop_token) {
      for (int i = 0; i < 5; ++i) sent += sender->send(mail_to("a@x.example")).outcome == MailOutcome::kSent ? 1 : 0;
    }));
  }
  threads.clear();
  EXPECT_EQ(sent, 30);
  EXPECT_TRUE(was_taken(30));
  EXPECT_FALSE(was_taken(31));
}

TEST(SmtpOptionsCheck, APasswordNeverGoesOverALinkThatIsNotVerified) {
  const auto code = [](SmtpOptions options) {
    const auto sender = smtp_sender(options);
    return sender ? "made" : std::string(name(sender.error().code));
  };
  SmtpOptions options;
  options.host = "mail.example";
  options.auth = MailAuth::kPlain;
  options.user = "u";
  options.secret = []() -> Result<std::string> { return "p"; };
  for (const auto& [security, expected] :
       {std::pair{MailSecurity::kNone, "refused"}, std::pair{MailSecurity::kOpportunistic, "refused"},
        std::pair{MailSecurity::kStartTls, "made"}, std::pair{MailSecurity::kTls, "made"}}) {
    options.security = security;
    EXPECT_EQ(code(options), expected);
  }
  options.security = MailSecurity::kNone;
  options.host = "127.0.0.1";
  EXPECT_EQ(code(options), "made");
  options.secret = nullptr;
  EXPECT_EQ(code(options), "refused");
  for (const char* bad : {"", "a b", "a/b", "a@b", "a:1", "a\r\n"}) EXPECT_EQ(code({.host = bad}), "refused") << bad;
  EXPECT_EQ(code({.host = "::1"}), "made");
}

// One connection that plays a script: each step is a reply, sent after one line has come (the greeting at once); an
// empty reply ends the link with a reset. DATA's own lines up to the dot count as one.
class Script {
 public:
  explicit Script(std::vector<std::vector<std::string>> connections) : connections_(std::move(connections)) {
    thread_ = start_thread("script", [this](std::stop_token) {
      for (const auto& replies : connections_) play(replies);
    });
  }
  std::uint16_t port() const { return listener_->bound.port; }

 private:
  void play(const std::vector<std::string>& replies) {
    pollfd entry{.fd = listener_->fd.get(), .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, 5000) != 1) return;
    auto accepted = accept_tcp(listener_->fd);
    BlockingStream stream(plain_stream(std::move((*accepted)->fd), (*accepted)->peer));
    for (std::size_t i = 0; i < replies.size(); ++i) {
      const bool data = i > 0 && replies[i - 1].starts_with("354");
      if (i > 0 && !take(stream, data ? "\r\n.\r\n" : "\r\n")) return;
      if (replies[i].empty()) {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(stream.stream().fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        return;
      }
      if (!stream.write_all(replies[i] + "\r\n", in(5s))) return;
    }
    if (take(stream, "\r\n")) (void)stream.write_all("221 bye\r\n", in(5s));  // QUIT
  }
  bool take(BlockingStream& stream, std::string_view end) {
    char chunk[4096];
    while (text_.find(end) == std::string::npos) {
      const auto read = stream.read_some(chunk, in(5s));
      if (!read || *read == 0) return false;
      text_.append(chunk, *read);
    }
    text_.erase(0, text_.find(end) + end.size());
    return true;
  }
  std::vector<std::vector<std::string>> connections_;
  std::string text_;
  Result<Listener> listener_ = listen_tcp({});
  std::jthread thread_;
};

MailResult play(std::vector<std::vector<std::string>> connections, int mails = 1) {
  const Script script(std::move(connections));
  auto sender =
      smtp_sender({.host = "127.0.0.1", .port = script.port(), .security = MailSecurity::kNone, .timeout = 5s});
  MailResult result;
  for (int i = 0; i < mails; ++i) result = (*sender)->send(mail_to("a@x.example"));
  return result;
}

TEST(SmtpScript, WhereTheLinkBreaksDecidesWhetherItMayHaveBeenSent) {
  // greeting, EHLO, MAIL, RCPT, DATA, end of data
  const std::vector<std::string> good = {"220 hi", "250 ok", "250 ok", "250 ok", "354 go", "250 2.0.0 ok"};
  EXPECT_EQ(name(play({good}).outcome), "sent");
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    std::vector<std::string> replies(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut));
    replies.emplace_back();
    const MailResult result = play({replies});
    EXPECT_EQ(name(result.outcome), cut == 5 ? "uncertain" : "not-sent") << "reset instead of reply " << cut;
  }
}

TEST(SmtpScript, EveryReplyCodeAtEveryPlaceIsSorted) {
  const std::vector<std::string> good = {"220 hi", "250 ok", "250 ok", "250 ok", "354 go", "250 ok"};
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const std::string code : {"421", "451", "550", "554"}) {
      std::vector<std::string> replies(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at));
      replies.push_back(code + " no");
      const MailResult result = play({replies});
      const char* expected = at < 2 ? "not-sent" : code.front() == '4' ? "temporary" : "permanent";
      EXPECT_EQ(name(result.outcome), expected) << code << " as reply " << at << ": " << result.what;
    }
  }
}

TEST(SmtpScript, AMultilineRefusalIsReadToItsEnd) {
  const MailResult result = play({{"220 hi", "250-x\r\n250 8BITMIME", "250 ok", "550-5.7.1 first\r\n550 5.7.1 last"}});
  EXPECT_EQ(name(result.outcome), "permanent");
  EXPECT_EQ(result.enhanced_code, "5.7.1");
}

TEST(SmtpScript, AConnectionThatDiedWhileItWaitedIsReplacedAtOnce) {
  const std::vector<std::string> once = {"220 hi", "250 ok", "250 ok", "250 ok", "354 go", "250 ok", ""};
  EXPECT_EQ(name(play({once, once}, 2).outcome), "sent");
}

}  // namespace
}  // namespace minato
