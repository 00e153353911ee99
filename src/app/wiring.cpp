#include "app/wiring.h"

#include <algorithm>

#include "format/charset/detect.h"
#include "os/files.h"

namespace minato {
namespace {

Result<TlsServerOptions> tls_server(const TlsConfig& config) {
  TlsServerOptions out;
  out.certificate_file = config.certificate_file;
  out.key_file = config.key_file;
  out.client_ca_file = config.client_ca_file;
  out.crl_file = config.crl_file;
  if (!config.client_ca_file.empty()) {
    out.client_certificates =
        config.client_certificate == "optional" ? ClientCertificates::kOptional : ClientCertificates::kRequired;
  }
  out.version_min = config.min_version == "1.3" ? TlsVersion::kTls13 : TlsVersion::kTls12;
  return out;
}

SenderName sender_name(const std::string& text) {
  const std::size_t bar = text.find('|');
  SenderName out;
  out.application = text.substr(0, bar);
  if (bar != std::string::npos) out.facility = text.substr(bar + 1);
  if (out.application == "*") out.application.clear();
  if (out.facility == "*") out.facility.clear();
  return out;
}

bool type_matches(const std::string& pattern, std::string_view type, std::string_view event) {
  const std::size_t caret = pattern.find('^');
  if (std::string_view(pattern).substr(0, caret) != type) return false;
  if (caret == std::string::npos) return true;
  const std::string_view wanted = std::string_view(pattern).substr(caret + 1);
  return wanted == "*" || wanted == event;
}

AuthoritativeFeed authoritative(const FeedConfig& feed) {
  AuthoritativeFeed out;
  out.identity = feed.peer;
  out.sender.application = feed.sending_application == "*" ? "" : feed.sending_application;
  out.sender.facility = feed.sending_facility == "*" ? "" : feed.sending_facility;
  return out;
}

Result<ListenerRules> listener_rules(const Config& config, const MllpConfig& mllp) {
  ListenerRules out;
  out.listener = mllp.name;
  if (!mllp.accept_types.empty()) {
    out.header.allow = [types = mllp.accept_types](std::string_view type, std::string_view event) {
      return std::ranges::any_of(types, [&](const std::string& pattern) { return type_matches(pattern, type, event); });
    };
  }
  if (!mllp.accept_versions.empty()) {
    out.header.allow_version = [versions = mllp.accept_versions](std::string_view version) {
      return std::ranges::find(versions, version) != versions.end();
    };
  }
  for (const std::string& sender : mllp.senders) out.senders_allowed.push_back(sender_name(sender));
  for (const FeedConfig& feed : config.feeds) {
    if (feed.authoritative) out.authoritative.push_back(authoritative(feed));
  }
  if (!mllp.default_charset.empty()) {
    out.undeclared_default = charset::encoding_named(mllp.default_charset);
    if (!out.undeclared_default) return fail(Errc::kRefused, "mllp \"" + mllp.name + "\": unknown default_charset");
  }
  out.batch_answer = mllp.batch_answer == "batch" ? BatchAnswer::kBatch : BatchAnswer::kOneEach;
  return out;
}

// "Minato <minato@localhost>" or "minato@localhost".
MailAddress mail_address(const std::string& text) {
  const std::size_t open = text.find('<');
  const std::size_t close = text.rfind('>');
  if (open == std::string::npos || close == std::string::npos || close < open) return {text, ""};
  std::string name = text.substr(0, open);
  while (!name.empty() && name.back() == ' ') name.pop_back();
  return {text.substr(open + 1, close - open - 1), name};
}

Result<std::string> secret_in(const std::string& file) {
  MN_TRY(text, read_file(real_files(), file, 64 * kKiB));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

std::string domain_of(const std::string& address) {
  const std::size_t at = address.rfind('@');
  return at == std::string::npos ? "localhost" : address.substr(at + 1);
}

}  // namespace

Result<mllp::ServerOptions> mllp_options(const Config& config) {
  mllp::ServerOptions out;
  out.buffer_bytes_max = config.buffer_bytes_max;
  for (const MllpConfig& mllp : config.mllp) {
    mllp::ListenerOptions listener;
    MN_TRY(rules, listener_rules(config, mllp));
    listener.rules = std::move(rules);
    listener.host = mllp.address;
    listener.port = mllp.port;
    if (mllp.tls.enabled()) {
      MN_TRY(tls, tls_server(mllp.tls));
      listener.tls = std::move(tls);
    }
    listener.addresses_allowed = mllp.allow;
    listener.connections_max = mllp.connections_max;
    listener.frame_bytes_max = mllp.frame_bytes_max;
    listener.stall_timeout = mllp.mid_frame_timeout;
    listener.cr_wait = mllp.missing_cr_wait;
    out.listeners.push_back(std::move(listener));
  }
  return out;
}

Result<http::ServerOptions> http_options(const Config& config) {
  http::ServerOptions out;
  out.listen.host = config.http.address;
  out.listen.port = config.http.port;
  out.connections_max = config.http.connections_max;
  if (!config.http.tls.enabled()) return out;
  http::ServerTls tls;
  tls.certificate_file = config.http.tls.certificate_file;
  tls.key_file = config.http.tls.key_file;
  tls.client_ca_file = config.http.tls.client_ca_file;
  tls.crl_file = config.http.tls.crl_file;
  if (!tls.client_ca_file.empty()) {
    tls.client_certificates = config.http.tls.client_certificate == "optional" ? ClientCertificates::kOptional
                                                                               : ClientCertificates::kRequired;
  }
  out.tls = std::move(tls);
  return out;
}

ReceiverOptions receiver_options(const Config& config) {
  ReceiverOptions out;
  out.us = {config.application, config.facility};
  out.offset_minutes = config.utc_offset_minutes;
  out.duplicate_age_max = config.duplicate_window;
  return out;
}

Result<NotifyRules> notify_rules(const Config& config, const std::string& id_secret) {
  NotifyRules out;
  out.events.clear();
  for (const std::string& event : config.notify.events) {
    const auto named = notice_event_named(event);
    if (!named) return fail(Errc::kRefused, "notify.events: unknown event " + event);
    out.events.push_back(*named);
    if (*named == NoticeEvent::kUpdate) out.updates = UpdateRule::kNotify;
  }
  out.urgent = config.notify.urgent_overrides_quiet_hours ? UrgentRule::kOverridesDelays : UrgentRule::kWaitsLikeOthers;
  out.utc_offset_minutes = config.utc_offset_minutes;
  out.message_id_domain = domain_of(mail_address(config.mail.from).address);
  out.id_secret = id_secret;
  return out;
}

Result<MailOptions> mail_options(const Config& config, NotifyRules rules, const std::string& http_url) {
  MailOptions out;
  out.from = mail_address(config.mail.from);
  out.words.base_url = config.notify.base_url.empty() ? http_url : config.notify.base_url;
  out.words.institution_en = config.notify.institution_en;
  out.words.institution_ja = config.notify.institution_ja;
  out.words.utc_offset_minutes = config.utc_offset_minutes;
  out.rules = std::move(rules);
  out.on_uncertain = config.notify.on_uncertain == "resend" ? OnUncertain::kRepeat : OnUncertain::kPark;
  return out;
}

Result<std::unique_ptr<MailSender>> mail_sender(const Config& config) {
  if (config.mail.kind == "files") return directory_sender(config.data_dir + "/outbox");
  SmtpOptions smtp;
  smtp.host = config.mail.host;
  smtp.port = config.mail.port;
  smtp.ca_file = config.mail.ca_file;
  smtp.security = config.mail.security == "tls"    ? MailSecurity::kTls
                  : config.mail.security == "none" ? MailSecurity::kNone
                                                   : MailSecurity::kStartTls;
  smtp.auth = config.mail.auth == "plain"     ? MailAuth::kPlain
              : config.mail.auth == "login"   ? MailAuth::kLogin
              : config.mail.auth == "xoauth2" ? MailAuth::kXoauth2
                                              : MailAuth::kNone;
  smtp.user = config.mail.user;
  if (smtp.auth != MailAuth::kNone) smtp.secret = [file = config.mail.secret_file] { return secret_in(file); };
  return smtp_sender(smtp);
}

Result<DestinationOptions> destination_options(const DestinationConfig& config) {
  const auto negative = [](const std::string& word) {
    return word == "retry"    ? NegativeAnswer::kRetry
           : word == "accept" ? NegativeAnswer::kAccept
                              : NegativeAnswer::kPark;
  };
  DestinationOptions out;
  out.name = config.name;
  out.kind = config.kind == "mllp"      ? DestinationKind::kMllp
             : config.kind == "webhook" ? DestinationKind::kWebhook
                                        : DestinationKind::kFile;
  out.host = config.host;
  out.port = config.port;
  out.ack_timeout = config.ack_timeout;
  out.on_ae = negative(config.on_ae);
  out.on_ar = negative(config.on_ar);
  out.url = config.url;
  out.ca_file = config.ca_file;
  out.body = config.body == "json" ? WebhookBody::kJson : WebhookBody::kHl7;
  out.directory = config.directory;
  out.file_name = config.file_name;
  if (!config.secret_file.empty()) {
    MN_TRY(secret, secret_in(config.secret_file));
    out.secret = std::move(secret);
  }
  if (!config.ca_file.empty() || config.tls.enabled()) {
    TlsClientOptions tls;
    tls.ca_file = config.ca_file;
    tls.certificate_file = config.tls.certificate_file;
    tls.key_file = config.tls.key_file;
    MN_TRY(context, TlsClientContext::open(tls));
    if (out.kind == DestinationKind::kMllp) out.tls = std::move(context);
  }
  return out;
}

Result<std::unique_ptr<PatientMaster>> patient_master(const Config& config, Clock& clock) {
  MasterOptions out;
  out.kind = config.master.kind == "pix"    ? MasterKind::kHl7v2
             : config.master.kind == "pixm" ? MasterKind::kFhir
                                            : MasterKind::kNone;
  out.host = config.master.host;
  out.port = config.master.port;
  out.application = config.application;
  out.facility = config.facility;
  out.url = config.master.url;
  out.ca_file = config.master.ca_file;
  out.timeout = config.master.timeout;
  out.cache_for = config.master.cache;
  if (!config.master.token_file.empty()) {
    MN_TRY(token, secret_in(config.master.token_file));
    out.bearer_token = token;
  }
  return make_patient_master(out, clock);
}

}  // namespace minato
