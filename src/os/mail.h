// Mail out of the house: one message to one or more recipients, over SMTP or into a directory.
// The message's bytes are a function of the Mail alone (boundaries come from the Message-ID), so a repeat is the same
// message.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace minato {

struct MailAddress {
  std::string address = {};       // local@domain, ASCII (an IDN domain in its A-label form)
  std::string display_name = {};  // UTF-8; may be empty
};
struct MailAttachment {
  std::string file_name = {};     // UTF-8; written as RFC 2231 when it is not ASCII
  std::string content_type = {};  // "application/pdf"
  std::string bytes = {};
};
struct Mail {
  MailAddress from = {};
  std::vector<MailAddress> to = {};
  std::string subject = {};     // UTF-8
  std::string text = {};        // UTF-8, lines end with \n
  std::string html = {};        // UTF-8; empty: text only, else multipart/alternative
  std::string message_id = {};  // <unique@domain>, the same for every attempt
  Time date{};
  int date_offset_minutes = 0;  // the Date header shows local time, minutes east of UTC
  std::string language = {};    // Content-Language (RFC 3282); empty: none
  std::vector<std::pair<std::string, std::string>> headers =
      {};  // more of them: Auto-Submitted, List-Id, In-Reply-To …
  std::vector<MailAttachment> attachments = {};
};

// The message of RFC 5322 with CR LF lines, no line above 998 bytes. kRefused: an address, header or id that is
// malformed or has CR, LF or NUL in it (injection), text that is not UTF-8, no recipient. kTooLarge: above
// kMailBytesMax or kMailRecipientsMax. The error names the header, never its value.
Result<std::string> render_mail(const Mail& mail);

enum class MailOutcome : std::uint8_t {
  kSent,       // the server took responsibility (250 after DATA)
  kPermanent,  // 5xx to the envelope or the message, or the mail itself is malformed: the same again will fail again
  kTemporary,  // 4xx to the envelope or the message: later
  kNotSent,  // no connection, TLS failed, a reply above 400 to the greeting, EHLO or AUTH (a wrong password is no fault
             // of the mail), time-out or link lost before the message was complete: nothing happened
  kUncertain,  // the link was lost after the whole message had gone and before the answer: it may have been delivered
};
std::string_view name(MailOutcome outcome);

enum class MailStage : std::uint8_t { kPrepare, kConnect, kTls, kAuth, kEnvelope, kData, kDone };
std::string_view name(MailStage stage);

struct MailResult {
  MailOutcome outcome = MailOutcome::kNotSent;
  MailStage stage = MailStage::kPrepare;  // where it ended
  int reply_code = 0;                     // the server's last, 0: none
  std::string enhanced_code = {};         // "5.1.1" (RFC 3463) when it came with one
  std::string what = {};                  // for a person; never an address nor the reply's text
};

class MailSender {
 public:
  virtual ~MailSender() = default;
  // Waits until the outcome is known. Thread-safe.
  virtual MailResult send(const Mail& mail) = 0;
};

enum class MailSecurity : std::uint8_t {
  kNone,           // never TLS
  kOpportunistic,  // STARTTLS if the server offers it, its certificate unchecked (RFC 7435); never with a password
  kStartTls,       // STARTTLS or nothing is sent
  kTls,            // TLS from the first byte (smtps, RFC 8314)
};
enum class MailAuth : std::uint8_t { kNone, kPlain, kLogin, kXoauth2 };

struct SmtpOptions {
  std::string host = {};
  std::uint16_t port = 25;
  MailSecurity security = MailSecurity::kStartTls;
  std::string ca_file = {};    // PEM; empty: the system's list
  std::string helo_name = {};  // what we call ourselves in EHLO; empty: the host's name
  MailAuth auth = MailAuth::kNone;
  std::string user = {};
  // The password, or for kXoauth2 the access token; called for each connection, so it may be refreshed behind it.
  std::function<Result<std::string>()> secret = {};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds timeout{60'000};  // for one message, connecting included
  unsigned connections_max = 4;               // kept open between messages; more senders at once wait for one
};
// Connections are kept between mails; one that died meanwhile is replaced without the caller noticing. Destruction
// waits for no server. kRefused: authentication without TLS (but on loopback), or with kOpportunistic; no secret; a
// malformed host.
Result<std::unique_ptr<MailSender>> smtp_sender(const SmtpOptions& options);

// Writes each mail as a file `<name of the Message-ID>.eml`, whole or not at all (tmp, fsync, rename, fsync of the
// directory). The same Message-ID is the same file, so a repeat changes nothing. The directory is made when it is
// missing.
Result<std::unique_ptr<MailSender>> directory_sender(const std::string& directory);
// The file's name for a Message-ID: its letters, digits and .-_@+, all else as %XX.
std::string mail_file_name(std::string_view message_id);

}  // namespace minato
