/*
 * raw_tls: what TLS 1.3 over loopback TCP costs with nothing on top.
 *
 * Two processes and two blocking OpenSSL connections' worth of code: the
 * least that any RPC over this stack could take.  Prints
 *
 *	raw_pingpong_p50 US us	64 bytes there and 64 back
 *	raw_pingpong_p99 US us
 *	raw_bulk GB/s		1 GiB one way, 64 KiB a write
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stats.h"

#define MESSAGE 64
#define WARM_UP 2000
#define ROUNDS 20000
#define CHUNK (64 << 10)
#define BULK (1L << 30)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* A key and a certificate signed by itself; the baseline checks nobody. */
static void use_self_signed(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static SSL *handshake(SSL_CTX *ctx, int fd, bool server)
{
	SSL *ssl = SSL_new(ctx);
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	SSL_set_fd(ssl, fd);
	if ((server ? SSL_accept(ssl) : SSL_connect(ssl)) != 1)
		die("TLS handshake");
	return ssl;
}

static void read_all(SSL *ssl, void *buf, int len)
{
	for (int have = 0, n; have < len; have += n) {
		n = SSL_read(ssl, (char *)buf + have, len - have);
		if (n <= 0)
			die("SSL_read");
	}
}

static void serve(int listener)
{
	static char buf[CHUNK];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	use_self_signed(ctx);
	ssl = handshake(ctx, accept(listener, NULL, NULL), true);
	for (int i = 0; i < WARM_UP + ROUNDS; i++) {
		read_all(ssl, buf, MESSAGE);
		SSL_write(ssl, buf, MESSAGE);
	}
	for (long done = 0; done < BULK;) {
		int n = SSL_read(ssl, buf, sizeof(buf));

		if (n <= 0)
			die("SSL_read");
		done += n;
	}
	SSL_write(ssl, buf, 1);
	_exit(0);
}

static void ping_pong(SSL *ssl)
{
	static double micros[ROUNDS];
	char buf[MESSAGE] = "ping";

	for (int i = -WARM_UP; i < ROUNDS; i++) {
		double begin = stats_seconds();

		SSL_write(ssl, buf, sizeof(buf));
		read_all(ssl, buf, sizeof(buf));
		if (i >= 0)
			micros[i] = (stats_seconds() - begin) * 1e6;
	}
	stats_print("raw_pingpong_p50", stats_percentile(micros, ROUNDS, .5),
		    "us");
	stats_print("raw_pingpong_p99", stats_percentile(micros, ROUNDS, .99),
		    "us");
}

static void bulk(SSL *ssl)
{
	static char buf[CHUNK];
	double begin = stats_seconds();

	for (long done = 0; done < BULK; done += CHUNK)
		if (SSL_write(ssl, buf, CHUNK) != CHUNK)
			die("SSL_write");
	read_all(ssl, buf, 1);
	stats_print("raw_bulk", (double)BULK / 1e9 / (stats_seconds() - begin),
		    "GB/s");
}

int main(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd, status;
	pid_t server;
	SSL_CTX *ctx;
	SSL *ssl;

	if (bind(listener, (struct sockaddr *)&addr, len) != 0 ||
	    listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) != 0)
		die("listen on loopback");
	server = fork();
	if (server == 0)
		serve(listener);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&addr, len) != 0)
		die("connect");
	ctx = SSL_CTX_new(TLS_client_method());
	ssl = handshake(ctx, fd, false);
	ping_pong(ssl);
	bulk(ssl);
	waitpid(server, &status, 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return status != 0;
}
