enum Help {
    static func print() -> Int32 {
        Swift.print("permafrost without arguments is an AWS Lambda extension.")
        return 0
    }

    static func unknown() -> Int32 {
        2
    }
}
