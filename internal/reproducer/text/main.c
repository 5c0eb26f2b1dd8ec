
int main(int argc, char **argv)
{
	int worst = 0, skipped = 0, n = sizeof(traces) / sizeof(traces[0]);

	verbose = argc > 1 && !strcmp(argv[1], "-v");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%d\n", n);
	for (int i = 0; i < n; i++) {
		int status;
		pid_t child = fork();

		if (!child) {
			trace = traces[i].name;
			alone();
			traces[i].play();
			exit(failed);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0) {
			perror("# fork");
			return 2;
		}
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		printf("%s %d %s%s\n", status == 0 || status == SKIP ? "ok" : "not ok", i + 1, traces[i].name,
		       status == SKIP ? " # SKIP" : "");
		skipped += status == SKIP;
		if (status != SKIP && status > worst)
			worst = status;
	}
	return worst ? worst : skipped == n ? SKIP : 0;
}
