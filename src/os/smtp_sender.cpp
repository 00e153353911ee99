#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "base/bytes.h"
#include "os/curl_internal.h"
#include "os/http_types.h"
#include "os/mail.h"
#include "os/mail_header.h"
#include "os/socket.h"

namespace minato {
namespace {

// One transfer as it goes: how far the message was handed over, and what the server last said.
struct Attempt {
  std::string_view message;
  std::size_t handed = 0;
  MailStage stage = MailStage::kConnect;
  int reply = 0;
  std::string enhanced = {};
  bool data_accepted = false;  // 354 came
  int final_reply = 0;         // what came after the end of the data
  bool quitting = false;       // after an error libcurl takes its leave; the answer to that says nothing
};

std::size_t hand_over(char* into, std::size_t size, std::size_t count, void* cls) {
  auto& attempt = *static_cast<Attempt*>(cls);
  const std::size_t now = std::min(size * count, attempt.message.size() - attempt.handed);
  std::memcpy(into, attempt.message.data() + attempt.handed, now);
  attempt.handed += now;
  return now;
}

MailStage stage_of(std::string_view command, MailStage now) {
  const auto is = [&](std::string_view verb) { return ascii_iequals(command.substr(0, verb.size()), verb); };
  if (is("STARTTLS")) return MailStage::kTls;
  if (is("AUTH")) return MailStage::kAuth;
  if (is("MAIL FROM") || is("RCPT TO")) return MailStage::kEnvelope;
  if (is("DATA")) return MailStage::kData;
  return now;
}

// RFC 3463 section 2: class.subject.detail after the reply code.
std::string enhanced_code(std::string_view line) {
  if (line.size() < 9) return {};
  const std::string_view text = line.substr(4, line.find_first_of(" \r\n", 4) - 4);
  const auto parts = split(text, '.');
  const bool good =
      parts.size() == 3 && (parts[0] == "2" || parts[0] == "4" || parts[0] == "5") &&
      std::ranges::all_of(parts, [](auto part) { return part.size() <= 3 && parse_unsigned(part).has_value(); });
  return good ? std::string(text) : std::string();
}

void take_reply(Attempt& attempt, std::string_view line) {
  const auto code = line.size() < 3 ? std::nullopt : parse_unsigned(line.substr(0, 3));
  if (!code) return;
  const bool last_line = line.size() == 3 || line[3] != '-';
  attempt.reply = static_cast<int>(*code);
  attempt.enhanced = enhanced_code(line);
  if (!last_line) return;
  if (attempt.data_accepted) attempt.final_reply = attempt.reply;
  if (attempt.stage == MailStage::kData && attempt.reply == 354) attempt.data_accepted = true;
}

// libcurl shows us the dialogue; nothing of it is kept but codes.
int observe(CURL*, curl_infotype type, char* data, std::size_t size, void* cls) {
  auto& attempt = *static_cast<Attempt*>(cls);
  const std::string_view text(data, size);
  if (type == CURLINFO_HEADER_OUT) {
    attempt.quitting = text.starts_with("QUIT");
    attempt.stage = stage_of(text, attempt.stage);
  }
  if (type == CURLINFO_HEADER_IN && !attempt.quitting) take_reply(attempt, text);
  return 0;
}

// Before MAIL a reply is about the link (the greeting, TLS, the password), not about this mail.
bool about_the_mail(const Attempt& attempt) {
  const bool authentication =
      attempt.reply == 530 || attempt.reply == 534 || attempt.reply == 535 || attempt.reply == 538;
  return (attempt.stage == MailStage::kEnvelope || attempt.stage == MailStage::kData) && !authentication;
}

MailOutcome outcome_of(CURLcode code, const Attempt& attempt) {
  if (code == CURLE_OK || (attempt.final_reply >= 200 && attempt.final_reply < 300)) return MailOutcome::kSent;
  const int reply = attempt.data_accepted ? attempt.final_reply : attempt.reply;
  if (about_the_mail(attempt) && reply >= 500) return MailOutcome::kPermanent;
  if (about_the_mail(attempt) && reply >= 400) return MailOutcome::kTemporary;
  // The last byte was on its way and no answer came: the server may have taken the mail.
  if (attempt.data_accepted && attempt.handed == attempt.message.size()) return MailOutcome::kUncertain;
  return MailOutcome::kNotSent;
}

MailResult result_of(CURLcode code, const Attempt& attempt) {
  MailResult result;
  result.outcome = outcome_of(code, attempt);
  result.stage = result.outcome == MailOutcome::kSent ? MailStage::kDone : attempt.stage;
  result.reply_code = attempt.data_accepted ? attempt.final_reply : attempt.reply;
  if (result.reply_code != 0) result.enhanced_code = attempt.enhanced;
  if (code == CURLE_USE_SSL_FAILED || code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION) {
    result.stage = MailStage::kTls;
  }
  if (code == CURLE_LOGIN_DENIED || attempt.reply == 530 || attempt.reply == 535) result.stage = MailStage::kAuth;
  if (result.outcome != MailOutcome::kSent) {
    result.what = "SMTP at " + std::string(name(result.stage)) + ": " + curl_easy_strerror(code);
  }
  return result;
}

MailResult not_sent(MailStage stage, const std::string& what) {
  return {.outcome = MailOutcome::kNotSent, .stage = stage, .what = what};
}

// libcurl says QUIT to a connection that it lets go of, and would wait two minutes for the answer of a server that
// hangs.
void let_go(CurlEasy handle) {
  curl_socket_t socket = CURL_SOCKET_BAD;
  if (handle != nullptr && curl_easy_getinfo(handle.get(), CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
      socket != CURL_SOCKET_BAD) {
    ::shutdown(socket, SHUT_RDWR);
  }
}

class SmtpSender final : public MailSender {
 public:
  explicit SmtpSender(SmtpOptions options) : options_(std::move(options)) {}
  ~SmtpSender() override {
    for (CurlEasy& handle : idle_) let_go(std::move(handle));
  }
  SmtpSender(const SmtpSender&) = delete;
  SmtpSender& operator=(const SmtpSender&) = delete;

  MailResult send(const Mail& mail) override {
    const auto message = render_mail(mail);
    if (!message) return {.outcome = MailOutcome::kPermanent, .what = message.error().what};
    std::string secret;
    if (options_.auth != MailAuth::kNone) {
      auto given = options_.secret();
      if (!given) return not_sent(MailStage::kAuth, "the secret is not available: " + given.error().what);
      secret = std::move(*given);
    }
    CurlEasy handle = take_handle();
    if (handle == nullptr) return not_sent(MailStage::kConnect, "every connection to the mail server is busy");
    const MailResult result = send_with(handle.get(), mail, *message, secret);
    const bool healthy = result.outcome != MailOutcome::kNotSent && result.outcome != MailOutcome::kUncertain;
    if (!healthy) let_go(std::move(handle));
    give_back(std::move(handle));
    return result;
  }

 private:
  // A connection that was kept open may have died meanwhile; when nothing of the mail had gone, a new one is tried at
  // once.
  MailResult send_with(CURL* handle, const Mail& mail, std::string_view message, const std::string& secret) {
    for (const bool fresh : {false, true}) {
      Attempt attempt{.message = message};
      const CURLcode code = perform(handle, mail, attempt, {secret, fresh});
      long made = 0;
      curl_easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &made);
      const bool stale = code != CURLE_OK && made == 0 && !attempt.data_accepted && attempt.reply < 400;
      if (!stale || fresh) return result_of(code, attempt);
    }
    return not_sent(MailStage::kConnect, "no connection");
  }

  struct How {
    const std::string& secret;
    bool fresh;
  };
  CURLcode perform(CURL* handle, const Mail& mail, Attempt& attempt, const How& how) {
    curl_easy_reset(handle);
    CurlList recipients;
    for (const MailAddress& to : mail.to) {
      if (!append(recipients, "<" + *checked_address(to.address) + ">")) return CURLE_OUT_OF_MEMORY;
    }
    const std::string from = "<" + *checked_address(mail.from.address) + ">";
    set_server(handle);
    set_auth(handle, how.secret);
    curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, how.fresh ? 1L : 0L);
    curl_easy_setopt(handle, CURLOPT_MAIL_FROM, from.c_str());
    curl_easy_setopt(handle, CURLOPT_MAIL_RCPT, recipients.get());
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, &hand_over);
    curl_easy_setopt(handle, CURLOPT_READDATA, &attempt);
    curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(attempt.message.size()));
    curl_easy_setopt(handle, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(handle, CURLOPT_DEBUGFUNCTION, &observe);
    curl_easy_setopt(handle, CURLOPT_DEBUGDATA, &attempt);
    return curl_easy_perform(handle);
  }

  void set_server(CURL* handle) const {
    const auto ip = IpAddress::parse(options_.host);
    const std::string host = ip && !ip->is_v4() ? "[" + ip->text() + "]" : options_.host;
    const std::string scheme = options_.security == MailSecurity::kTls ? "smtps://" : "smtp://";
    const std::string url =
        scheme + host + ":" + std::to_string(options_.port) + "/" + http::percent_encode(options_.helo_name);
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout.count()));
    // Also for the leave that libcurl takes of an older connection; whole seconds, at least one.
    curl_easy_setopt(handle, CURLOPT_SERVER_RESPONSE_TIMEOUT, static_cast<long>(options_.timeout.count() / 1000 + 1));
    curl_easy_setopt(handle, CURLOPT_MAXCONNECTS, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
    set_curl_trust(handle, options_.ca_file);
    switch (options_.security) {
      case MailSecurity::kNone:
        curl_easy_setopt(handle, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_NONE));
        break;
      case MailSecurity::kOpportunistic:
        curl_easy_setopt(handle, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_TRY));
        curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
        break;
      case MailSecurity::kStartTls:
      case MailSecurity::kTls:
        curl_easy_setopt(handle, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
        break;
    }
  }

  void set_auth(CURL* handle, const std::string& secret) const {
    if (options_.auth == MailAuth::kNone) return;
    curl_easy_setopt(handle, CURLOPT_USERNAME, options_.user.c_str());
    switch (options_.auth) {
      case MailAuth::kXoauth2:
        curl_easy_setopt(handle, CURLOPT_XOAUTH2_BEARER, secret.c_str());
        curl_easy_setopt(handle, CURLOPT_LOGIN_OPTIONS, "AUTH=XOAUTH2");
        break;
      case MailAuth::kLogin:
        curl_easy_setopt(handle, CURLOPT_PASSWORD, secret.c_str());
        curl_easy_setopt(handle, CURLOPT_LOGIN_OPTIONS, "AUTH=LOGIN");
        break;
      default:
        curl_easy_setopt(handle, CURLOPT_PASSWORD, secret.c_str());
        curl_easy_setopt(handle, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN");
        break;
    }
  }

  CurlEasy take_handle() {
    std::unique_lock lock(mutex_);
    const auto free = [this] { return !idle_.empty() || made_ < options_.connections_max; };
    if (!returned_.wait_for(lock, options_.timeout, free)) return nullptr;
    if (idle_.empty()) {
      CurlEasy made = new_curl_easy();
      made_ += made != nullptr ? 1 : 0;
      return made;
    }
    CurlEasy handle = std::move(idle_.back());
    idle_.pop_back();
    return handle;
  }

  // Null: it was let go of, and another may be made in its place.
  void give_back(CurlEasy handle) {
    const std::lock_guard lock(mutex_);
    if (handle != nullptr) {
      idle_.push_back(std::move(handle));
    } else {
      --made_;
    }
    returned_.notify_one();
  }

  const SmtpOptions options_;
  std::mutex mutex_;  // guards the three below
  std::condition_variable returned_;
  std::vector<CurlEasy> idle_;
  unsigned made_ = 0;
};

bool is_host(std::string_view host) {
  return IpAddress::parse(host) || (!host.empty() && std::ranges::all_of(host, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         }));
}

}  // namespace

Result<std::unique_ptr<MailSender>> smtp_sender(const SmtpOptions& options) {
  const auto refused = [](const char* what) { return fail(Errc::kRefused, std::string("SMTP: ") + what); };
  if (!is_host(options.host)) return refused("a malformed host");
  if (!options.helo_name.empty() && !is_host(options.helo_name)) return refused("a malformed name for EHLO");
  if (options.port == 0) return refused("no port");
  if (options.connections_max == 0) return refused("no connections allowed");
  if (options.timeout.count() < 1 || options.connect_timeout.count() < 1) return refused("a time-out of nothing");
  if (options.auth != MailAuth::kNone) {
    if (!options.secret || options.user.empty()) return refused("authentication needs a user and a secret");
    const bool guarded = options.security == MailSecurity::kStartTls || options.security == MailSecurity::kTls;
    if (options.security == MailSecurity::kOpportunistic) return refused("no password where TLS is only tried");
    if (!guarded && !is_loopback_host(options.host)) return refused("no password without TLS");
  }
  return std::make_unique<SmtpSender>(options);
}

}  // namespace minato
