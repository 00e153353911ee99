#include "os/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "os/thread.h"
#include "os/tls_internal.h"

namespace minato {
namespace {

using Context = std::shared_ptr<SSL_CTX>;

struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, X509Free>;

std::unexpected<Error> refused(const std::string& what) {
  return fail(Errc::kRefused, "TLS: " + what + ": " + tls_error_text());
}

Context make_context(const SSL_METHOD* method, TlsVersion version_min) {
  Context context(SSL_CTX_new(method), SSL_CTX_free);
  if (context == nullptr) return context;
  SSL_CTX_set_min_proto_version(context.get(), version_min == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);  // an idle link holds no 34 KiB of buffers
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  return context;
}

Status load_own(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return refused("the certificate file " + certificate_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return refused("the key file " + key_file);
  }
  if (SSL_CTX_check_private_key(context) != 1) return refused("the key does not belong to " + certificate_file);
  return {};
}

Status load_revoked(SSL_CTX* context, const std::string& crl_file) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (lookup == nullptr || X509_load_crl_file(lookup, crl_file.c_str(), X509_FILETYPE_PEM) < 1) {
    return refused("the CRL file " + crl_file);
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return {};
}

Status ask_clients(SSL_CTX* context, const TlsServerOptions& options) {
  if (options.client_certificates == ClientCertificates::kNone) return {};
  if (options.client_ca_file.empty()) return fail(Errc::kRefused, "TLS: client certificates need a CA file");
  ERR_clear_error();
  if (SSL_CTX_load_verify_file(context, options.client_ca_file.c_str()) != 1) {
    return refused("the client CA file " + options.client_ca_file);
  }
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.client_ca_file.c_str());
  if (names == nullptr) return refused("the client CA file " + options.client_ca_file);
  SSL_CTX_set_client_CA_list(context, names);
  const bool required = options.client_certificates == ClientCertificates::kRequired;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  // A resumed session is bound to this context, so to what it verified.
  static constexpr unsigned char kSessionContext[] = "minato";
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
  return options.crl_file.empty() ? Status() : load_revoked(context, options.crl_file);
}

Result<Context> server_context(const TlsServerOptions& options) {
  Context context = make_context(TLS_server_method(), options.version_min);
  if (context == nullptr) return refused("no context");
  // Sessions are not resumed: a client whose certificate was revoked meanwhile is looked at again.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context.get(), 0);
  MN_CHECK(load_own(context.get(), options.certificate_file, options.key_file));
  MN_CHECK(ask_clients(context.get(), options));
  return context;
}

Result<Context> client_context(const TlsClientOptions& options) {
  Context context = make_context(TLS_client_method(), options.version_min);
  if (context == nullptr) return refused("no context");
  ERR_clear_error();
  const bool trusted = options.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get()) == 1
                                               : SSL_CTX_load_verify_file(context.get(), options.ca_file.c_str()) == 1;
  if (!trusted) return refused("the CA file " + options.ca_file);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (!options.certificate_file.empty()) {
    MN_CHECK(load_own(context.get(), options.certificate_file, options.key_file));
  }
  return context;
}

Time not_after(const X509* certificate) {
  tm parts{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return Time{};
  return Time(std::chrono::seconds(timegm(&parts)));
}

std::string common_name(X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return {};
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return name;
}

void add_alternative_names(X509* certificate, PeerIdentity& identity) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS && name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = name->d.ia5;
    auto& into = name->type == GEN_DNS ? identity.dns_names : identity.uris;
    into.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(names);
}

PeerIdentity identity_of(X509* certificate) {
  PeerIdentity identity;
  identity.common_name = common_name(certificate);
  add_alternative_names(certificate, identity);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) {
    identity.sha256 = to_hex({reinterpret_cast<const char*>(digest), size});
  }
  return identity;
}

}  // namespace

std::string tls_error_text() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

std::optional<PeerIdentity> verified_identity(const SSL* ssl) {
  const Certificate certificate(SSL_get1_peer_certificate(ssl));
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return std::nullopt;
  return identity_of(certificate.get());
}

std::optional<PeerIdentity> identity_of_der(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const Certificate certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  if (certificate == nullptr) return std::nullopt;
  return identity_of(certificate.get());
}

Result<std::unique_ptr<TlsServerContext>> TlsServerContext::open(const TlsServerOptions& options) {
  ignore_broken_pipes();
  std::unique_ptr<TlsServerContext> made(new TlsServerContext(options));
  MN_CHECK(made->reload());
  return made;
}

Status TlsServerContext::reload() {
  MN_TRY(context, server_context(options_));
  const Time expires = not_after(SSL_CTX_get0_certificate(context.get()));
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
  not_after_ = expires;
  return {};
}

Time TlsServerContext::certificate_not_after() const {
  const std::lock_guard lock(mutex_);
  return not_after_;
}

std::shared_ptr<ssl_ctx_st> TlsServerContext::current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

Result<std::unique_ptr<TlsClientContext>> TlsClientContext::open(const TlsClientOptions& options) {
  ignore_broken_pipes();
  std::unique_ptr<TlsClientContext> made(new TlsClientContext(options));
  MN_CHECK(made->reload());
  return made;
}

Status TlsClientContext::reload() {
  MN_TRY(context, client_context(options_));
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
  return {};
}

std::shared_ptr<ssl_ctx_st> TlsClientContext::current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

Result<Time> certificate_not_after(const std::string& pem_file) {
  ERR_clear_error();
  const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(pem_file.c_str(), "r"), &BIO_free);
  if (file == nullptr) return refused("the certificate file " + pem_file);
  const Certificate certificate(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return refused("the certificate file " + pem_file);
  return not_after(certificate.get());
}

}  // namespace minato
