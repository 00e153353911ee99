#include "os/curl_internal.h"

#include "os/thread.h"

namespace minato {

CurlEasy new_curl_easy() {
  static const bool ready = [] {
    ignore_broken_pipes();
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  }();
  return CurlEasy(ready ? curl_easy_init() : nullptr);
}

bool append(CurlList& list, const std::string& text) {
  curl_slist* longer = curl_slist_append(list.get(), text.c_str());
  if (longer == nullptr) return false;
  list.release();
  list.reset(longer);
  return true;
}

void set_curl_trust(CURL* handle, const std::string& ca_file) {
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (ca_file.empty()) return;
  curl_easy_setopt(handle, CURLOPT_CAINFO, ca_file.c_str());
  // Debian's libcurl would go on trusting /etc/ssl/certs beside it.
  curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
}

bool curl_refused(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CIPHER:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return true;
    default:
      return false;
  }
}

}  // namespace minato
