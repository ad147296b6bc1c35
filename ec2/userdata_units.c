#include "config.h"

#include "ec2/userdata_units.h"

#include "base/alloc.h"

#define PORT 443
#define NR_OPEN 33554432 /* 32 Mi */

char *ec2_timer_unit(const char *name, const char *description,
		     const char *since, double seconds)
{
	return xasprintf("[Unit]\n"
			 "Description=%s\n"
			 "DefaultDependencies=no\n"
			 "[Timer]\n"
			 "%s=%.3f\n"
			 "AccuracySec=1s\n"
			 "Unit=%s.service\n",
			 description, since, seconds, name);
}

char *ec2_poweroff_unit(const char *description, const char *condition)
{
	/* An orderly end first; what hangs cannot keep the instance. */
	return xasprintf("[Unit]\n"
			 "Description=%s\n"
			 "DefaultDependencies=no\n"
			 "%s"
			 "[Service]\n"
			 "Type=oneshot\n"
			 "ExecStart=-/bin/systemctl --no-block poweroff\n"
			 "ExecStart=/bin/sleep 60\n"
			 "ExecStart=-/bin/systemctl --force --force poweroff\n",
			 description, condition);
}

char *ec2_prepare_unit(const struct ec2_userdata *u)
{
	return xasprintf("[Unit]\n"
			 "Description=Volumes and limits for bigm\n"
			 "Wants=network-online.target\n"
			 "After=network-online.target " CLOUDCONFIG_AFTER_FILES
			 "\n%s"
			 "[Service]\n"
			 "Type=oneshot\n"
			 "RemainAfterExit=yes\n"
			 "EnvironmentFile=" EC2_INSTANCE_PATH "\n"
			 "ExecStart=" EC2_PREPARE_PATH "\n"
			 "SyslogIdentifier=bigm-prepare\n",
			 u->settings->immortal
				 ? ""
				 : "OnFailure=" EC2_POWEROFF ".timer\n");
}

char *ec2_notices_unit(void)
{
	return xstrdup("[Unit]\n"
		       "Description=Notices of AWS about this instance\n"
		       "Wants=network-online.target\n"
		       /* The boot is in a hurry, they are not. */
		       "After=network-online.target " CLOUDCONFIG_AFTER_FILES
		       " " EC2_WORKER_UNIT "\n"
		       "[Service]\n"
		       "ExecStart=" EC2_NOTICES_PATH "\n"
		       "Restart=always\n"
		       "RestartSec=5\n"
		       "SyslogIdentifier=" EC2_NOTICES "\n"
		       "SyslogLevelPrefix=no\n");
}

char *ec2_worker_unit(const struct ec2_userdata *u)
{
	/* What fails before it has begun has ended, too: OnFailure knows, and
	 * ExecStopPost what has ended well.  A job that wants memory shall not
	 * take the host's own services with it.  An interval of 0, which
	 * should mean no limit of the log, systemd does not tell journald, which
	 * then has its own: some ten thousand lines in 30 s.  So it is one that
	 * nobody reaches. */
	return xasprintf(
		"[Unit]\n"
		"Description=bigm's worker\n"
		"Requires=bigm-prepare.service\n"
		"After=bigm-prepare.service " CLOUDCONFIG_AFTER_FILES "\n"
		"%s"
		"[Service]\n"
		"EnvironmentFile=" EC2_INSTANCE_PATH "\n"
		"Environment=TMPDIR=" EC2_DATA_DIR "/tmp\n"
		"Environment=XDG_CACHE_HOME=" EC2_DATA_DIR "/cache\n"
		"Environment=HOME=/root\n"
		"Environment=BIGM_ALIVE=" EC2_ALIVE_PATH "\n"
		"WorkingDirectory=-" EC2_DATA_DIR "\n"
		"ExecStartPre=" EC2_FETCH_PATH "\n"
		"ExecStart=" EC2_BOOT_PATH " --identity " EC2_IDENTITY_PATH
		" --dir " EC2_MACHINE_DIR " --port %d\n"
		"%s"
		"TimeoutStartSec=infinity\n"
		"OOMScoreAdjust=500\n"
		"LimitNOFILE=%d\n"
		"LimitNPROC=infinity\n"
		"TasksMax=infinity\n"
		"SyslogIdentifier=bootmachine\n"
		"SyslogLevelPrefix=no\n"
		"LogRateLimitIntervalSec=1ms\n"
		"LogRateLimitBurst=10000000\n",
		u->settings->immortal ? ""
				      : "OnFailure=" EC2_POWEROFF ".timer\n",
		u->port ? u->port : PORT,
		u->settings->immortal
			? ""
			: "ExecStopPost=-/bin/systemctl --no-block start "
			  EC2_POWEROFF ".timer\n",
		NR_OPEN);
}
