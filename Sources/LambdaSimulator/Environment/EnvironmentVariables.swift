/// The variables an extension is started with: the function's and Lambda's, without those that extensions do not get.
enum EnvironmentVariables {
    static func make(_ setup: EnvironmentSetup, runtimeAPI: String, temporaryDirectory: String) -> [String: String] {
        var variables = [
            "AWS_LAMBDA_RUNTIME_API": runtimeAPI,
            "AWS_LAMBDA_FUNCTION_NAME": setup.functionName,
            "AWS_LAMBDA_FUNCTION_VERSION": setup.functionVersion,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": String(setup.memorySizeMB),
            "AWS_LAMBDA_INITIALIZATION_TYPE": setup.initializationType.rawValue,
            "AWS_LAMBDA_LOG_FORMAT": setup.logFormat.rawValue,
            "AWS_REGION": setup.region,
            "AWS_DEFAULT_REGION": setup.region,
            "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
        ]
        if setup.logFormat == .json { variables["AWS_LAMBDA_LOG_LEVEL"] = "INFO" }
        if setup.initializationType != .snapStart {
            variables["AWS_ACCESS_KEY_ID"] = "ASIASIMULATED0000000"
            variables["AWS_SECRET_ACCESS_KEY"] = "simulated/secret"
            variables["AWS_SESSION_TOKEN"] = "simulated-token"
        }
        if let home = setup.home { variables["HOME"] = home }
        if setup.setsDeadProxy {
            for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
                // Port 9 (discard) of the loopback address: nobody listens.
                variables[name] = "http://127.0.0.1:9"
            }
        }
        if setup.redirectsTemporaryFiles && !setup.mountsPrivateTmp {
            variables["TMPDIR"] = temporaryDirectory
            variables["PERMAFROST_SPOOL_DIR"] = temporaryDirectory + "/permafrost"
        }
        return variables.merging(setup.variables) { $1 }
    }
}
